//! A user who cannot be read when a message for them comes: the message waits for them, they are asked for again, and
//! nobody else waits.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::link::group_message;
use crate::support::rest::op;
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, http};

/// Members of groups who have not had their turn yet.
fn members_waiting(server: &Server) -> u64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let samples = text.lines().filter_map(|line| line.strip_prefix("openim_group_members_waiting"));
    samples.filter_map(|sample| sample.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn a_member_whose_load_fails_gets_what_came_meanwhile() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new().allow("stall").allow("cannot").allow("has not come back");
    let stall = setup.path("stall");
    // So many readers that some are free to be refused while another hangs.
    let setup = setup.set("OPENIM_GATEWAY_READERS", 8).set("OPENIM_LIMITS_STORETIMEOUTMS", 500);
    let mut server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let [ann, bob, cat] = server.register_all(["ann", "bob", "cat"]);
    let strangers = server.register_many("stranger", 7);
    let group = server.group(&ann, &[&bob]);
    // So that cat is in nobody's memory.
    server.restart();
    let (mut a, mut b) = (server.connect(&ann), server.connect(&bob));
    a.say_data(&group_message(&group, "before", "hello"));
    assert_eq!(b.pushed()["clientMsgID"], "before");
    let invite = op(json!({"groupID": group, "uidList": ["cat"]}));
    server.done_as(&ann, "/group/invite_user_to_group", &invite);

    let draft = stall.with_extension("new");
    fs::write(&draft, "read").expect("written");
    fs::rename(&draft, &stall).expect("renamed");
    // The first of them hang, and whoever is asked for after one is late is refused.
    let deadline = Instant::now() + PATIENCE;
    let fails =
        |server: &Server| server.log().iter().any(|line| line.contains("cannot read the history"));
    for stranger in strangers.iter().cycle() {
        if fails(&server) {
            break;
        }
        assert!(Instant::now() < deadline, "{:#?}", server.log());
        assert_eq!(server.refusal(stranger), 503);
    }
    a.say_data(&group_message(&group, "first", "hello"));
    assert_eq!(b.pushed()["clientMsgID"], "first");
    a.say_data(&group_message(&group, "last", "hello"));
    assert_eq!(b.pushed()["clientMsgID"], "last");
    // The figure is as of the shard's last look.
    while members_waiting(&server) == 0 {
        assert!(Instant::now() < deadline, "she waits: {:#?}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(&stall).expect("there since the beginning");

    // Nobody comes to ask for her: that she is needed is not forgotten.
    while members_waiting(&server) > 0 {
        assert!(Instant::now() < deadline, "{:#?}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let inbox = server.connect(&cat).inbox();
    let ids: Vec<&str> =
        inbox.iter().filter_map(|message| message["clientMsgID"].as_str()).collect();
    assert_eq!(ids, ["first", "last"]);
}
