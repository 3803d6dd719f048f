//! `standby` and `promote`: their arguments, and what they do.

use super::{Command, Given, UsageError};

pub(super) const STANDBY: &str = "\
openim standby --of URL --data-dir DIR [--config FILE]

Follows a server of the embedded engine: takes its base and its log, and then what it writes, as soon as that is durable
there; what is here is durable before more is asked for. Runs until it is told to stop, and goes on where it was. It
listens for no clients; openim promote has it serve, with the ports of its settings. A directory whose server was replaced
comes back as a standby of the new one: what it wrote that the new one does not have is set aside, and counted.

  --of URL         operators' port of the server (its admin.listen), like http://10.0.0.1:10002
  --data-dir DIR   where the data is; an empty directory, or one that followed this server, or went before it
  --config FILE    settings to serve with, those of the server; admin.secret is that of the server. Without it, DIR has
                   to have the server's file admin_secret

Its own operators' port (admin.listen) says how far it is: /readyz, openim_standby_behind_seconds.
";

pub(super) const PROMOTE: &str = "\
openim promote --data-dir DIR

Has the standby that runs on DIR serve: its log gets an epoch of its own, its process opens the ports of its settings,
and tells the server that it followed, for as long as it takes, that it is replaced. That one takes nothing any more and
does not start again as what it was. Whether it is alive does not matter. Exits with 0 when the standby serves.

  --data-dir DIR   the directory of openim standby; run this as its user
";

pub(super) fn standby(mut given: Given) -> Result<Command, UsageError> {
    let of = given.take("--of").map(|of| of.to_string_lossy().into_owned());
    let Some((of, data_dir)) = of.zip(given.path("--data-dir")) else {
        let text =
            "standby needs the server and a directory: openim standby --of URL --data-dir DIR";
        return Err(UsageError(text.to_owned()));
    };
    Ok(Command::Standby { of, config: given.path("--config"), data_dir })
}

pub(super) fn promote(mut given: Given) -> Result<Command, UsageError> {
    let Some(data_dir) = given.path("--data-dir") else {
        let text = "promote needs the standby's data directory: openim promote --data-dir DIR";
        return Err(UsageError(text.to_owned()));
    };
    Ok(Command::Promote { data_dir })
}
