//! The arguments of `backup`, `verify` and `restore`.

use super::{Command, Given, UsageError};

pub(super) const BACKUP: &str = "\
openim backup DIR [--follow] [--config FILE] [--data-dir DIR | --from URL]

Makes a copy of a server's data in DIR, or goes on with the one that is there: what it has not yet is taken, every
checksum is looked at, and it is durable. The server may run, and then it is asked over its operators' port
(admin.listen); it must know admin.secret, which it finds in the server's data directory, or in the settings. Ends with a
line that says up to which position and time the copy goes, and exit code 0. It may be cut short at any moment and run again.

  --follow         goes on, less than a second behind, until it is ended; waits for a server that is away
  --config FILE    the server's settings, as for serve
  --data-dir DIR   the server's data directory (default: embedded.dataDir)
  --from URL       a server on another machine: http://HOST:PORT of its operators' port; with its secret in the variable
                   OPENIM_ADMIN_SECRET
";

pub(super) const VERIFY: &str = "\
openim verify DIR

Reads all that is in a copy, or in the data directory of a stopped server: every checksum, that nothing is missing in
between, that every inbox in the bases has all its numbers and each of them a message. Names what is damaged by file and
offset, a line each; exit code 1 then. A copy that is being followed may be verified meanwhile.
";

pub(super) const RESTORE: &str = "\
openim restore DIR --data-dir NEW [--at TIME|POSITION]

Makes a data directory from a copy, as of its end or of a moment before, to the record: with TIME all that was stored up to
then, with POSITION all records that lie before it (openim archive shows positions). NEW must be empty or not there.
Then: openim serve --data-dir NEW. What was stored later is not there, and who goes on with it has an epoch of its own: a
copy of it needs another directory.

  --data-dir NEW   where the data is to be
  --at             a time like 2021-06-01T12:00:00Z, or a position
";

pub(super) fn backup(mut given: Given) -> Result<Command, UsageError> {
    let Some(dir) = given.places.pop() else {
        return Err(UsageError("backup needs a directory: openim backup DIR".to_owned()));
    };
    let url = given.take("--from").map(|url| url.to_string_lossy().into_owned());
    let follow = given.take("--follow").is_some();
    let (config, data_dir) = (given.path("--config"), given.path("--data-dir"));
    Ok(Command::Backup { dir: dir.into(), follow, config, data_dir, url })
}

pub(super) fn verify(mut given: Given) -> Result<Command, UsageError> {
    let Some(dir) = given.places.pop() else {
        return Err(UsageError("verify needs a directory: openim verify DIR".to_owned()));
    };
    Ok(Command::Verify { dir: dir.into() })
}

pub(super) fn restore(mut given: Given) -> Result<Command, UsageError> {
    let (Some(dir), Some(data_dir)) = (given.places.pop(), given.path("--data-dir")) else {
        let text =
            "restore needs a copy and a new data directory: openim restore DIR --data-dir NEW";
        return Err(UsageError(text.to_owned()));
    };
    let at = given.take("--at").map(|at| at.to_string_lossy().into_owned());
    Ok(Command::Restore { dir: dir.into(), data_dir, at })
}
