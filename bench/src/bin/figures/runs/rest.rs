//! REST routes.

use super::{Measured, figures};
use crate::lab::Lab;
use crate::options::Options;

/// Tokens issued as fast as the server can.
pub(crate) fn user_token(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    route(lab, options, "user_token")
}

/// Users registered as fast as the server can.
pub(crate) fn user_register(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    route(lab, options, "user_register")
}

fn route(lab: &Lab, options: &Options, name: &str) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.setup(&folder);
    let server = setup.start()?;
    let calls = options.unless_quick(300_000, 5_000);
    let command = format!("rest --route {name} --calls {calls} --concurrency 64");
    let raw = lab.load(&folder, &server, &command)?;
    let values = figures(
        &raw,
        &[("calls_per_s", "calls_per_s", 1.0), ("cpu_us_per_call", "server_cpu_us_per_call", 1.0)],
    )?;
    let command = format!("openim-loadtest {command}");
    Ok(Measured { server: setup.command_line(), command, values, raw })
}
