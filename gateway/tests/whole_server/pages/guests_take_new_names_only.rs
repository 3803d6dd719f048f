//! Who knows the page's key gets new names of guests, so many in a minute, and nothing else: no name that is taken, no uid
//! of the app, no token of anybody.

use serde_json::{Value, json};

use crate::support::engine::embedded_only;
use crate::support::http::{Answer, call};
use crate::support::platform::WEB;
use crate::support::server::{Server, Setup};

const KEY: &str = "a-key-for-guests-of-tests";

fn start() -> Server {
    Setup::new().set("OPENIM_WEB_KEY", KEY).start()
}

fn body(key: &str, uid: &str) -> Value {
    json!({"secret": key, "platform": WEB, "uid": uid, "name": "Ann"})
}

fn enter(server: &Server, key: &str, uid: &str) -> Answer {
    server.post("/auth/user_register", &body(key, uid))
}

#[test]
fn a_new_name_gets_a_token_that_connects() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = start();
    let answer = enter(&server, KEY, "guest~安").json();
    assert_eq!(answer["errCode"], 0, "{answer}");
    let token = answer["data"]["token"].as_str().expect("a token");
    let ask = json!({"sendID": "guest~安", "operationID": "op"});
    assert_eq!(server.post_as(token, "/chat/newest_seq", &ask).json()["errCode"], 0);
}

#[test]
fn the_key_is_good_for_nothing_else() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = start();
    let alice = server.register("alice", WEB);
    assert_eq!(enter(&server, KEY, "guest~ann").status, 200);
    // Not for a name that is there, be it a guest's, and not for a uid that is no guest's.
    assert_eq!(enter(&server, KEY, "guest~ann").json()["errCode"], 500);
    for uid in ["alice", "bob", "guest", "guest~", "Guest~bob", "openIM123456"] {
        let answer = enter(&server, KEY, uid);
        assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(401)), "{uid}");
    }
    // Not for a token of somebody who is there, and not to ask who is online.
    for uid in ["alice", "guest~ann"] {
        let ask = json!({"secret": KEY, "platform": WEB, "uid": uid});
        assert_eq!(server.post("/auth/user_token", &ask).json()["errCode"], 401, "{uid}");
    }
    let ask = json!({"secret": KEY, "operationID": "op", "userIDList": ["alice"]});
    assert_eq!(server.post("/user/get_users_online_status", &ask).json()["errCode"], 401);
    assert_eq!(server.connect(&alice).newest(), 0, "she was not disturbed");
}

#[test]
fn without_the_key_or_the_page_there_are_no_guests() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = start();
    for key in ["another-key-for-guests-tests", "x"] {
        assert_eq!(enter(&server, key, "guest~ann").json()["errCode"], 401, "{key}");
    }
    assert_eq!(enter(&server, "", "guest~ann").json()["errCode"], 400);
    let off = Setup::new().set("OPENIM_WEB_KEY", KEY).set("OPENIM_WEB_CHAT", "off").start();
    assert_eq!(enter(&off, KEY, "guest~ann").json()["errCode"], 401);
    let none = Setup::new().set("OPENIM_WEB_KEY", KEY).set("OPENIM_WEB_GUESTSPERMINUTE", 0);
    assert_eq!(enter(&none.start(), KEY, "guest~ann").json()["errCode"], 401);
}

#[test]
fn more_in_a_minute_than_there_may_be_are_told_to_come_again() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server =
        Setup::new().set("OPENIM_WEB_KEY", KEY).set("OPENIM_WEB_GUESTSPERMINUTE", 3).start();
    // Two minutes may share them, and no more.
    let uids = (0..20).map(|number| format!("guest~{number}"));
    let statuses: Vec<u16> = uids.map(|uid| enter(&server, KEY, &uid).status).collect();
    let came = statuses.iter().filter(|status| **status == 200).count();
    assert!((3..=6).contains(&came), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    // The app itself is not bound by it.
    server.register("alice", WEB);
    let text = call(server.operator(), "GET", "/metrics", &[], b"").text();
    for (name, count) in [("openim_guests_total", came), ("openim_guests_refused_total", 20 - came)]
    {
        assert!(text.contains(&format!("\n{name} {count}\n")), "{name} {count}");
    }
}
