//! A data directory that an earlier revision left when it was killed: accounts, friends, groups, every message under its
//! number, those of its last seconds too, which are in its log alone.
//!
//! `fixtures/data-613167f.tar.gz` is what revision 613167f had on disk: two lives, the first ended by a stop.

use std::process::Command;

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::rest::{listed, op};
use crate::support::server::{Server, Setup};

/// Contents of what people have written, in order of seq, which is dense.
#[track_caller]
fn written(server: &Server, uid: &str) -> Vec<String> {
    let inbox = server.connect(&server.login(uid, IOS)).inbox();
    let seqs: Vec<_> = inbox.iter().map(|message| message["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=inbox.len() as u64).map(Some).collect::<Vec<_>>(), "{uid}");
    let texts = inbox.iter().filter(|message| message["contentType"] == 101);
    texts.map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn whole() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    // Its history is older than a week by now, and the clock seems to have jumped since.
    let setup = Setup::new().set("OPENIM_MONGO_DBRETAINCHATRECORDS", 36_500);
    let setup = setup.allow("the clock is in doubt").allow("the index is made anew");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/data-613167f.tar.gz");
    let folder = setup.path("unpacked");
    std::fs::create_dir(&folder).expect("a folder");
    let unpacked = Command::new("tar").arg("-xzf").arg(fixture).arg("-C").arg(&folder).status();
    assert!(unpacked.expect("tar runs").success());
    let mut server = setup.data_dir(&folder.join("data")).start();
    server.logged(&["the data directory has the form of this version now"]);
    let format = std::fs::read_to_string(folder.join("data/format")).expect("read");
    assert!(format.contains("version = 3"), "{format}");

    let single = |n: usize| format!("said single-{n}");
    let group = |n: usize| format!("said group-{n}");
    let both: Vec<String> =
        (0..5).map(single).chain((0..3).map(group)).chain((5..8).map(single)).collect();
    let with_last: Vec<String> = both.iter().cloned().chain([group(3)]).collect();
    assert_eq!(written(&server, "alice"), with_last);
    assert_eq!(written(&server, "bob"), with_last);
    assert_eq!(written(&server, "carol"), Vec::<String>::new());

    let alice = server.login("alice", IOS);
    let friends = server.done_as(&alice, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&friends, "uid"), ["bob"]);
    let blocked = server.done_as(&alice, "/friend/get_blacklist", &op(json!({})));
    assert_eq!(listed(&blocked, "uid"), ["carol"]);
    let groups = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
    let group = listed(&groups, "groupId")[0].to_owned();
    let mut members = server.roles(&alice, &group);
    members.sort();
    assert_eq!(members, [("alice".to_owned(), 1), ("bob".to_owned(), 0)]);
    // Numbers go on.
    server.rest_send(&alice, "bob", "new", "said new");
    assert_eq!(written(&server, "bob").last().map(String::as_str), Some("said new"));
    // And so do changes, behind what the index had: also what it may have lost of them.
    server.register("dave", IOS);
    server.kill();
    server.restart();
    assert_eq!(written(&server, "dave"), Vec::<String>::new());
    assert_eq!(written(&server, "bob").last().map(String::as_str), Some("said new"));
    let friends =
        server.done_as(&server.login("bob", IOS), "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&friends, "uid"), ["alice"]);
    // The log does not have what was there before, but a base has: the index may go.
    server.kill();
    std::fs::remove_dir_all(folder.join("data/index")).expect("removed");
    server.restart();
    server.logged(&["the index is made anew, from the base"]);
    assert_eq!(written(&server, "alice").len(), with_last.len() + 1);
    assert_eq!(written(&server, "dave"), Vec::<String>::new());
    assert_eq!(server.roles(&server.login("alice", IOS), &group).len(), 2);
    let friends =
        server.done_as(&server.login("bob", IOS), "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&friends, "uid"), ["alice"]);
}
