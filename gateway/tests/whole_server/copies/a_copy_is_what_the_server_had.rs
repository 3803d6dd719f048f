//! A backup beside a running server is incremental, whole, and restored to any moment of it: messages and their numbers,
//! tokens, friends, groups are those of then.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{backup, done, restore, verify};
use crate::support::engine::embedded_only;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

/// The number behind a word of a line.
fn number(line: &str, behind: &str) -> u64 {
    let rest = line.split(behind).nth(1).unwrap_or_else(|| panic!("{behind} is not in {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {behind} in {line}"))
}

/// A server on a data directory that was restored.
fn restored(copy: &Path, to: &Path, at: Option<&str>) -> Server {
    let mut command = restore(copy, to);
    command.args(at.map(|at| ["--at", at]).into_iter().flatten());
    let told = done(command);
    assert!(told.contains("restored up to position"), "{told}");
    Setup::new().data_dir(to).allow("the index is made anew").start()
}

#[track_caller]
fn has(server: &Server, user: &User, inbox: &[Value]) {
    assert_eq!(server.connect(user).inbox(), inbox);
}

#[test]
fn at_any_moment() {
    if embedded_only("the data of a cluster is in its components") {
        return;
    }
    let setup = Setup::new();
    let (copy, later) = (setup.path("copy"), setup.path("copy that began later"));
    let (then, last, half) = (setup.path("then"), setup.path("last"), setup.path("half"));
    let mut server = setup.start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let group = server.group(&alice, &[&bob]);
    let mut link = server.connect(&alice);
    (0..20).for_each(|n| drop(link.say("bob", &format!("a{n}"), "before")));
    let inbox_then = server.connect(&bob).inbox();

    let first = done(backup(&server, &copy));
    assert!(first.contains("a backup up to position") && first.contains(", as of 20"), "{first}");
    let position = number(&first, "up to position ");

    (0..20).for_each(|n| drop(link.say("bob", &format!("b{n}"), "after")));
    drop(link);
    let superseded = server.login("bob", IOS);
    let bob_now = server.login("bob", IOS);
    server.kick(&alice, &group, &["bob"]);
    let inbox_now = server.connect(&bob_now).inbox();
    let second = done(backup(&server, &copy));
    let (more, all) = (number(&second, "Z, "), number(&second, "up to position "));
    assert!(more < all - position + 64, "what is there is not taken again: {second}");
    assert!(done(verify(&copy)).contains("whole;"));
    let third = done(backup(&server, &copy));
    assert_eq!(number(&third, "Z, "), 0, "{third}");

    server.kill();
    // Without a server the data directory will do.
    let mut stopped = super::openim(["backup", "--data-dir"]);
    stopped.arg(server.data_dir()).arg(&later);
    done(stopped);
    assert!(done(verify(server.data_dir())).contains("whole;"));

    let back = restored(&copy, &last, None);
    has(&back, &bob_now, &inbox_now);
    assert!(Link::open(back.ws(), &superseded).is_err(), "a token that was superseded stays so");
    assert_eq!(back.roles(&alice, &group).len(), 1);
    drop(back);

    let back = restored(&copy, &then, Some(&position.to_string()));
    has(&back, &bob, &inbox_then);
    assert_eq!(back.roles(&alice, &group).len(), 2, "nobody was removed yet");
    // It goes on, with the numbers that follow.
    back.connect(&alice).say("bob", "c1", "on");
    assert_eq!(back.connect(&bob).inbox().len(), inbox_then.len() + 1);
    drop(back);

    let time =
        first.split("as of ").nth(1).and_then(|rest| rest.split(',').next()).expect("a time");
    let back = restored(&later, &half, Some(time));
    has(&back, &bob, &inbox_then);
    assert_eq!(
        fs::read_dir(&half).expect("there").flatten().filter(|f| f.file_name() == "copy").count(),
        0
    );
}
