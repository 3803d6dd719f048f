//! The roles of a cluster: which of them this process has, and that it may have them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use openim_config::{Config, Engine};

use crate::advice;
use crate::certificate;
use crate::logging::Logging;
use crate::role::Role;
use crate::signals;

/// Runs one role of a cluster until it is told to stop. `file` is where the settings came from, to be read again.
///
/// # Errors
/// One line of what stands in the way of the start, where, and what to do.
pub fn run(
    role: Role,
    config: &Config,
    file: Option<&Path>,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    signals::ignore_strays();
    if config.engine != Engine::Cluster {
        bail!(
            "engine: openim {} is a part of a cluster, and engine is embedded: set engine: cluster, or run openim \
             serve, which is all parts in one",
            role.name()
        );
    }
    run_checked(&[role], config, file, logging)
}

/// Runs all of them in this process.
pub(super) fn run_all(
    config: &Config,
    file: Option<&Path>,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    run_checked(&[Role::Api, Role::Gateway, Role::Transfer], config, file, logging)
}

fn run_checked(
    roles: &[Role],
    config: &Config,
    file: Option<&Path>,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    // A transfer alone takes no clients, and its operators' port may be plain.
    let has_tls = roles.iter().any(|role| *role != Role::Transfer)
        || config.tls.is_for_operators(config.admin.listen);
    let of_certificate = || has_tls.then(|| certificate::fault(config)).flatten();
    match advice::stop(config).or_else(of_certificate) {
        Some(stop) => bail!("{stop}"),
        None => run_these(roles, config, file, logging),
    }
}

#[cfg(not(feature = "cluster"))]
fn run_these(_: &[Role], _: &Config, _: Option<&Path>, _: &Logging) -> anyhow::Result<ExitCode> {
    // The advice has said so already.
    bail!("engine: cluster needs a program that is built with it")
}

#[cfg(feature = "cluster")]
fn run_these(
    roles: &[Role],
    config: &Config,
    file: Option<&Path>,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    use super::server::Told;
    use crate::banner::{self, Chat};
    use crate::page::Page;

    banner::begin(logging, None);
    for warning in advice::warnings(config, Path::new("")) {
        tracing::warn!("{warning}");
    }
    let server = super::cluster::start(roles, config, logging)?;
    let key = Some(&config.web.key).filter(|key| !key.is_empty());
    let chat = Page::is_wanted(config).then_some(Chat { key, kept: None });
    let told =
        Told { roles, data_dir: None, console: None, generated: &[], secret_is_kept: false, chat };
    server.serve(config, file, logging, &told)
}
