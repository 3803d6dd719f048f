//! Many links that do nothing.

use super::{Measured, figures};
use crate::lab::Lab;
use crate::options::Options;

/// Memory per idle link and CPU time per handshake.
pub(crate) fn idle(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.setup(&folder);
    let server = setup.start()?;
    let hold = options.unless_quick(10, 2);
    let command = format!("connect --links {} --hold {hold} --probe", options.links());
    let raw = lab.load(&folder, &server, &command)?;
    let values = figures(
        &raw,
        &[
            ("private_bytes_per_link", "server_private_bytes_per_link", 1.0),
            ("cpu_us_per_handshake", "server_cpu_us_per_handshake", 1.0),
            ("links_per_s", "links_per_s", 1.0),
            ("idle_core_percent", "server_idle_core_percent", 1.0),
        ],
    )?;
    let command = format!("openim-loadtest {command}");
    Ok(Measured { server: setup.command_line(), command, values, raw })
}
