//! Backup, verify, restore: a copy beside a running server, and what comes of it.

mod a_copy_is_what_the_server_had;
mod following_survives_both_sides;
mod the_log_is_given_to_who_knows_the_secret;
mod what_stands_in_the_way_is_one_line;

use std::path::Path;
use std::process::{Command, Output};

use crate::support::server::{PROGRAM, Server};

/// `openim` with these arguments.
fn openim<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(PROGRAM);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("OPENIM_") {
            command.env_remove(&key);
        }
    }
    command.args(args);
    command
}

/// A backup of a running server into `copy`, as it was asked for.
pub(crate) fn backup(server: &Server, copy: &Path) -> Command {
    let url = format!("http://{}", server.operator());
    let mut command = openim(["backup", "--from", &url]);
    command.arg("--data-dir").arg(server.data_dir()).arg(copy);
    command
}

/// What a command said on standard output, when it has done well.
#[track_caller]
pub(crate) fn done(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let (told, why) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{told}{why}");
    told.into_owned()
}

/// The one line of a command that ends with exit code 1.
#[track_caller]
fn refused(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let (told, why) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(1), "{told}{why}");
    let lines: Vec<&str> = why.lines().filter(|line| !line.contains("INFO")).collect();
    assert!(lines.len() == 1 && told.is_empty(), "one line is wanted: {told}{why}");
    lines[0].to_owned()
}

fn verify(copy: &Path) -> Command {
    let mut command = openim(["verify"]);
    command.arg(copy);
    command
}

pub(crate) fn restore(copy: &Path, to: &Path) -> Command {
    let mut command = openim(["restore"]);
    command.arg(copy).arg("--data-dir").arg(to);
    command
}
