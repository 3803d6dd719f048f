//! A changed profile is what everybody reads from the answer on, on every way and shard, and after a kill.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{done_at, listed, op};
use crate::support::server::{Server, Setup};

#[track_caller]
fn assert_name(server: &Server, uid: &str, name: &str) {
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": [uid] }))).json();
    assert_eq!(listed(&answer, "name"), [name]);
}

#[test]
fn reads_after_the_answer_see_the_change() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let users: Vec<_> = (0..6).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let reader = server.register("reader", IOS);
    for user in &users {
        server.befriend(user, &reader);
    }
    for round in 0..5 {
        let name = format!("round {round}");
        for user in &users {
            // Once read before, so that it is kept wherever profiles are kept.
            server.post("/user/get_user_info", &op(json!({ "uidList": [user.uid] })));
            server.done_as(user, "/user/update_user_info", &op(json!({ "name": name })));
            assert_name(&server, &user.uid, &name);
            let ask = op(json!({ "uid": user.uid }));
            let found = server.done_as(&reader, "/friend/search_friend", &ask);
            assert_eq!(found["data"]["name"], name);
        }
        let friends = server.done_as(&reader, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&friends, "name"), [name.as_str(); 6]);
    }
    server.restart();
    for user in &users {
        assert_name(&server, &user.uid, "round 4");
    }
}

#[test]
fn who_registers_after_being_looked_for_is_found() {
    let server = Server::start();
    let ask = op(json!({"uidList": ["late"]}));
    for _ in 0..3 {
        assert_eq!(server.post("/user/get_user_info", &ask).json()["data"], json!([]));
    }
    server.register("late", IOS);
    assert_name(&server, "late", "name of late");
}

/// Readers that run beside a change do not put back what was there before it.
#[test]
fn no_reader_brings_an_old_profile_back() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let rest = server.rest();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let ask = op(json!({"uidList": ["alice"]}));
                while !over.load(Ordering::Relaxed) {
                    done_at(rest, "", "/user/get_user_info", &ask);
                }
            });
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for round in 0..60 {
                let name = format!("round {round}");
                let change = op(json!({ "name": name }));
                server.done_as(&alice, "/user/update_user_info", &change);
                assert_name(&server, "alice", &name);
            }
            let delete = op(json!({"deleteUidList": ["alice"]}));
            server.done_as(&manager, "/manager/delete_user", &delete);
            for _ in 0..20 {
                let ask = op(json!({"uidList": ["alice"]}));
                let answer = server.post("/user/get_user_info", &ask).json();
                assert_eq!(answer["data"], json!([]));
            }
        }));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|cause| resume_unwind(cause));
    });
}
