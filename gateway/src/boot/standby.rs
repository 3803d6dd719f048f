//! The root of a standby: a process that follows another server, with an operators' port and no other.
//!
//! In: where the other server is. Out: the exit code, or the order to serve in this process's place. Clients are not listened
//! for: their ports are closed until the promotion.

mod follower;
mod inboxes;
mod status;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use openim_config::{Config, Engine, OperatorsTls, Secret};
use openim_storage::embedded::standby::refuse_copy;
use openim_workers::Clock;

pub(super) use self::follower::promoted;
use self::follower::{End, Follower};
use self::status::Status;
use super::{Certificates, options, watch_certificate};
use crate::admin::Admin;
use crate::advice;
use crate::banner;
use crate::certificate;
use crate::copying::Remote;
use crate::descriptors;
use crate::disk::Looking;
use crate::logging::Logging;
use crate::metrics::Sources;
use crate::phase::Stage;
use crate::promote;
use crate::secrets;
use crate::signals::{self, Heard, Signals};
use crate::visit::Trust;

/// Stands for `admin.caFile`.
const CA_FILE: &str = "OPENIM_ADMIN_CAFILE";

/// Follows the server whose operators' port is `of`, which `ca` speaks for where it has TLS, until it is told to stop; `None` when it was promoted, and
/// [`become_server`] is to follow.
///
/// # Errors
/// One line of what stands in the way, where, and what to do.
pub fn follow(
    (of, ca): (&str, Option<&Path>),
    config: &Config,
    data_dir: &Path,
    logging: &Logging,
) -> anyhow::Result<Option<ExitCode>> {
    signals::ignore_strays();
    if config.engine != Engine::Embedded {
        bail!(
            "engine: openim standby is for the embedded engine; a cluster has its copies in its components"
        );
    }
    if let Some(stop) = advice::stop(config) {
        bail!("{stop}");
    }
    let config = &without_acme(config);
    // It is to serve with them, in a moment in which nobody wants to mend them first.
    if let Some(fault) = certificate::fault(config) {
        bail!("{fault}");
    }
    refuse_copy(data_dir)?;
    banner::begin(logging, Some(data_dir));
    descriptors::raise();
    let secret = secret(config, data_dir, of)?;
    let name = format!("standby-{}", data_dir.display());
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, dir) = (Arc::clone(&stop), data_dir.to_owned());
    // A server that is cut off is what a promotion is for.
    let hurries = move || stopped.load(Ordering::Acquire) || promote::is_ordered(&dir);
    let trust = Trust::another(config, ca).map_err(anyhow::Error::msg)?;
    let remote = Remote::trusting(trust, of, secret, Some(name));
    let remote = remote.map_err(|what| anyhow!("--of: {what}"))?.until(hurries);
    let of = remote.url().to_owned();
    let disk = Looking::at(data_dir.parent().unwrap_or(data_dir));
    let disk = disk.context("cannot start the thread disk")?;
    let clock = Arc::new(Clock::new(Duration::ZERO, None, 0).0);
    let sources = Sources::new(0, 0, &clock, &disk.figures, ([].into(), &Arc::default()), logging);
    let status = Status::new(&of);
    sources.parts.add(Arc::clone(&status) as Arc<_>);
    sources.phase.advance(Stage::Following);
    let Certificates { ask: _watched, operators: terms, .. } =
        watch_certificate((config, None), 0, &sources)?;
    let admin = Admin::start((config.admin.listen, terms), sources, (None, None))?;
    let mut signals = Signals::new()?;
    let told = Arc::clone(&status);
    let follower = Follower {
        of: of.clone(),
        dir: data_dir.to_owned(),
        config: config.clone(),
        options: options(config),
        remote,
        status,
        stop: Arc::clone(&stop),
    };
    let thread = std::thread::Builder::new().name("standby".to_owned());
    let thread = thread.spawn(|| follower.run()).context("cannot start the thread standby")?;
    let is_tls = config.tls.is_for_operators(config.admin.listen);
    banner::stands_by(logging, &of, data_dir, (is_tls, admin.address()));
    until_ended(|| thread.is_finished(), &mut signals, &stop, (&told, logging));
    let ended = thread.join().map_err(|_| anyhow!("the thread standby panicked"))??;
    drop(admin);
    match ended {
        End::Promoted => Ok(None),
        End::Stopped => {
            tracing::info!("stopped");
            Ok(Some(ExitCode::SUCCESS))
        }
    }
}

/// A standby gets no certificate: clients find its server at the name, and so does the authority.
fn without_acme(config: &Config) -> Config {
    let mut config = config.clone();
    if config.tls.acme.is_on() {
        if config.tls.is_for_operators(config.admin.listen) {
            tracing::warn!(
                "tls.operators: a standby gets no certificate by ACME, so its operators' port is plain until it is promoted"
            );
        }
        config.tls.operators = OperatorsTls::Off;
    }
    config
}

/// Waits for the follower to end, or for somebody who wants it to; says meanwhile how it goes on.
fn until_ended(
    is_finished: impl Fn() -> bool + Copy,
    signals: &mut Signals,
    stop: &AtomicBool,
    (status, logging): (&Status, &Logging),
) {
    let has_ended = || {
        if let Some(news) = status.news() {
            banner::news_of_standby(logging, &news);
        }
        is_finished()
    };
    while !has_ended() {
        match signals.next(has_ended) {
            Heard::Stop => {
                stop.store(true, Ordering::Release);
                break;
            }
            Heard::Reload => {
                tracing::info!("a standby reads its settings again when it is promoted")
            }
            Heard::Failed => {}
        }
    }
}

/// What the other server's operators' port is to be told.
fn secret(config: &Config, data_dir: &Path, of: &str) -> anyhow::Result<Secret> {
    secrets::to_ask(config, data_dir)?.with_context(|| {
        format!(
            "admin.secret: {of} gives its data to who knows its secret: set it, or put the file admin_secret of its data \
             directory into {}",
            data_dir.display()
        )
    })
}

/// Has this process be a server with the directory, as if it was started as one.
///
/// # Errors
/// When the program cannot be run.
pub fn become_server(
    config: Option<&Path>,
    data_dir: &Path,
    ca: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    // The same file, though another one may have its name by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("openim").arg("serve").arg("--data-dir").arg(data_dir);
    if let Some(file) = config {
        command.arg("--config").arg(file);
    }
    if let Some(ca) = ca {
        // It tells the server that it was promoted over.
        command.env(CA_FILE, ca);
    }
    Err(command.exec()).context("cannot run the server in the place of the standby")
}
