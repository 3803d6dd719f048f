//! `/manager/force_logout`: a user's tokens and links end at once, for one platform or all, for good; and the user can
//! log in again at once.

use serde_json::{Value, json};

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::link::Link;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{User, op, plain, send_body};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/manager/force_logout";

#[track_caller]
pub(super) fn assert_kicked(link: &mut Link) {
    let (frames, code) = link.drain_to_close();
    assert_eq!(code, Some(1008));
    let notice = frames.last().expect("a notice");
    assert_kick_notice(notice, &link.user.uid, 303);
    // Clients take a notice that says so for a copy of their own, and ignore it.
    let by = notice["data"]["senderPlatformID"].as_i64().expect("a platform");
    assert!((1..=7).contains(&by) && by != link.user.platform, "{notice}");
}

#[track_caller]
fn assert_refused(server: &Server, user: &User) {
    assert_eq!(server.refusal(user), 401, "{}", user.platform);
    let send = send_body(user, "bob", "m", "hello");
    let answer = server.post_as(&user.token, "/chat/send_msg", &send);
    assert_eq!(answer.json(), plain(400, "token validate err"));
    let answer = server.ask_as(user, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(answer["errCode"], 200);
}

#[test]
fn of_all_platforms_and_twice_is_success() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let (phone, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let web = server.login("alice", WEB);
    let mut links = [server.connect(&phone), server.connect(&web)];
    let manager = server.manager();
    for _ in 0..2 {
        server.done_as(&manager, ROUTE, &op(json!({"uid": "alice"})));
    }
    links.iter_mut().for_each(assert_kicked);
    for _ in 0..2 {
        for user in [&phone, &web] {
            assert_refused(&server, user);
        }
        server.restart();
    }
    // In the same second as well, and for good.
    for _ in 0..3 {
        let again = server.login("alice", IOS);
        assert_eq!(server.connect(&again).newest(), 0);
        server.done_as(&manager, ROUTE, &op(json!({"uid": "alice"})));
        assert_refused(&server, &again);
    }
    assert_eq!(server.connect(&bob).newest(), 0, "nobody else is meant");
}

#[test]
fn of_one_platform_the_others_stay() {
    let mut server = Server::start();
    let phone = server.register("alice", IOS);
    let web = server.login("alice", WEB);
    let mut links = [server.connect(&phone), server.connect(&web)];
    // On that platform with the token of another one.
    let mut crossed = User { platform: IOS, ..web.clone() };
    crossed.uid = "alice".to_owned();
    server.done_as(&server.manager(), ROUTE, &op(json!({"uid": "alice", "platform": IOS})));
    assert_kicked(&mut links[0]);
    assert_eq!(links[1].newest(), 0);
    for _ in 0..2 {
        assert_refused(&server, &phone);
        assert_eq!(server.connect(&web).newest(), 0);
        server.restart();
    }
    let mut link = server.connect(&crossed);
    server.done_as(&server.manager(), ROUTE, &op(json!({"uid": "alice", "platform": IOS})));
    assert_kicked(&mut link);
    assert_eq!(server.connect(&server.login("alice", IOS)).newest(), 0);
}

#[test]
fn of_a_manager_too() {
    let server = Server::start();
    let (one, other) = (server.manager(), server.login("openIM654321", IOS));
    server.done_as(&other, ROUTE, &op(json!({"uid": one.uid})));
    let answer = server.ask_as(&one, ROUTE, &op(json!({"uid": "alice"})));
    assert_eq!(answer, plain(200, "token has been invalidated"));
    server.done_as(&server.manager(), ROUTE, &op(json!({"uid": "nobody"})));
}

#[test]
fn what_can_be_no_uid_or_platform_is_refused() {
    let server = Server::start();
    let manager = server.manager();
    for wrong in [
        json!({"uid": "no body"}),
        json!({"uid": "u".repeat(65)}),
        json!({"uid": "alice", "platform": 8}),
        json!({"uid": "alice", "platform": -1}),
        json!({"uid": "alice", "platform": "IOS"}),
    ] {
        let answer = server.post_as(&manager.token, ROUTE, &op(wrong.clone()));
        assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(400)), "{wrong}");
    }
    let _: Value = server.done_as(&manager, ROUTE, &op(json!({"uid": "alice", "platform": null})));
}
