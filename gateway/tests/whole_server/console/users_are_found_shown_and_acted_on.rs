//! Users: found by the beginning of uid or name, shown with links, inbox, friends and groups; each act takes effect, needs a reason and an operator,
//! and is in the audit.

use std::io::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::console::Operator;
use crate::support::engine::embedded_only;
use crate::support::http::dial;
use crate::support::platform::{IOS, WEB};
use crate::support::server::{Server, Setup};

const NO_CLUSTER: &str = "a cluster has no console";

fn uids(found: &Value) -> Vec<&str> {
    let users = found["users"].as_array().expect("a list");
    users.iter().map(|user| user["uid"].as_str().expect("a text")).collect()
}

#[test]
fn by_the_beginning_of_uid_or_name_a_page_at_a_time() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    server.register_many("walker", 120);
    let alice = server.register("alice", IOS);
    let _link = server.connect(&alice);
    assert_eq!(uids(&operator.sees("users?find=alice")), ["alice"]);
    assert_eq!(operator.sees("users?find=alice")["users"][0]["platforms"], json!([IOS]));
    assert_eq!(uids(&operator.sees("users?find=nobody")), [] as [&str; 0]);
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let found = operator.sees(&format!("users?find=walker&after={after}"));
        all.extend(uids(&found).into_iter().map(str::to_owned));
        match found["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let pages = all.len();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), pages), (120, 120));
}

#[test]
fn with_links_inbox_friends_and_groups() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let [alice, bob] = server.register_all(["alice", "bob"]);
    server.befriend(&alice, &bob);
    let group = server.group(&alice, &[&bob]);
    let mut link = server.connect(&alice);
    (0..3).for_each(|n| drop(link.say("bob", &format!("m{n}"), "hello")));
    let seen = operator.sees("user?uid=alice");
    assert_eq!(seen["links"].as_array().map(Vec::len), Some(1), "{seen}");
    let shown = &seen["links"][0];
    assert_eq!(
        (&shown["platform"], &shown["address"]),
        (&json!(alice.platform), &json!("127.0.0.1"))
    );
    assert!(shown["since"].is_i64() && shown["waiting"].is_u64(), "{shown}");
    assert_eq!(seen["inbox"]["newest"].as_i64(), Some(link.newest()), "{seen}");
    assert_eq!(seen["friends"]["first"][0]["uid"], "bob");
    assert_eq!(seen["groups"]["first"][0]["group"], group);
    assert!(!seen.to_string().contains(&alice.token), "no token");
    let unknown = operator.asks("user?uid=nobody%20here");
    assert_eq!((unknown.status, unknown.json()["error"].as_str()), (404, Some("unknown")));
}

#[test]
fn each_act_takes_effect_and_is_in_the_audit() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let carol = server.register("carol", IOS);
    let why = |more: Value| {
        let mut body = json!({ "uid": "carol", "reason": "asked for by phone" });
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        body
    };
    // Kicked: the link is gone, the token is good.
    let mut link = server.connect(&carol);
    assert_eq!(operator.acts("kick", &why(json!({})))["closed"], 1);
    assert_eq!(link.drain_to_close().1, Some(1008));
    // Logged out: so is the token.
    let mut link = server.connect(&carol);
    operator.acts("logout", &why(json!({})));
    assert_eq!(link.drain_to_close().1, Some(1008));
    assert_eq!(server.refusal(&carol), 401);
    // A new one.
    let made = operator.acts("token", &why(json!({ "platform": WEB })));
    let mut carol = carol;
    (carol.token, carol.platform) = (made["token"].as_str().expect("a token").to_owned(), WEB);
    let mut link = server.connect(&carol);
    operator.acts("ban", &why(json!({})));
    assert_eq!(link.drain_to_close().1, Some(1008));
    assert_eq!(operator.sees("user?uid=carol")["ban"]["reason"], "asked for by phone");
    let refused = operator.tries("token", &why(json!({ "platform": WEB })));
    assert_eq!((refused.status, refused.json()["error"].as_str()), (409, Some("banned")));
    operator.acts("unban", &why(json!({})));
    assert_eq!(operator.sees("user?uid=carol")["ban"], Value::Null);
    operator.acts("delete", &why(json!({})));
    // What was done is done again, in case that it was not all done.
    operator.acts("delete", &why(json!({})));
    let unknown = json!({ "uid": "nobody", "reason": "asked for by phone" });
    for act in ["delete", "kick", "logout", "ban", "unban"] {
        let refused = operator.tries(act, &unknown);
        assert_eq!((refused.status, refused.json()["error"].as_str()), (404, Some("unknown")));
    }
    for act in ["kick", "logout", "token", "ban", "unban", "delete"] {
        let act = format!("\"act\":\"{act}\"");
        server.logged(&["\"operator\"", &act, "\"uid\":\"carol\"", "asked for by phone", "done"]);
    }
    let log = server.log().join("\n");
    assert!(!log.contains(&carol.token), "no token in the log");
}

#[test]
fn without_a_reason_or_as_a_viewer_nothing_is_done() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Setup::new().set("OPENIM_CONSOLE_VIEWERPASSWORD", "another one to look 8").start();
    let dave = server.register("dave", IOS);
    let mut link = server.connect(&dave);
    let operator = server.console();
    for (act, body, status) in [
        ("ban", json!({ "uid": "dave" }), 400),
        ("ban", json!({ "uid": "dave", "reason": " " }), 400),
        ("ban", json!({ "uid": "dave", "reason": "x".repeat(300) }), 400),
        ("ban", json!({ "reason": "because" }), 400),
        ("token", json!({ "uid": "dave", "reason": "because" }), 400),
        ("token", json!({ "uid": "nobody", "platform": 1, "reason": "because" }), 404),
        ("nothing", json!({ "uid": "dave", "reason": "because" }), 404),
    ] {
        assert_eq!(operator.tries(act, &body).status, status, "{act} {body}");
    }
    let viewer = server.operator_with("another one to look 8");
    assert_eq!(viewer.sees("user?uid=dave")["uid"], "dave");
    for act in ["kick", "logout", "ban", "unban", "token", "delete", "dismiss", "remove"] {
        let refused = viewer.tries(act, &json!({ "uid": "dave", "reason": "because" }));
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (403, Some("viewer")),
            "{act}"
        );
    }
    server.logged(&["\"act\":\"ban\"", "refused", "viewer"]);
    link.say("dave", "m", "still here");
}

#[test]
fn what_is_not_understood_whole_is_not_done() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let erin = server.register("erin", IOS);
    let mut link = server.connect(&erin);
    let operator = server.console();
    let body = |key: &str, value: Value| {
        let mut body = json!({ "uid": "erin", "reason": "because" });
        body[key] = value;
        body
    };
    for (act, key, value) in [
        ("kick", "platform", json!("5")),
        ("kick", "platform", json!(8)),
        ("kick", "platform", json!(256)),
        ("kick", "platform", json!(-1)),
        ("kick", "platform", json!(5.0)),
        ("kick", "platform", json!(null)),
        ("kick", "platfrom", json!(5)),
        ("logout", "platform", json!([5])),
        ("ban", "until", json!("tomorrow")),
        ("ban", "until", json!(0)),
        ("ban", "until", json!(-5)),
        ("ban", "until", json!(1)),
        ("ban", "platform", json!(5)),
        ("unban", "until", json!(9_999_999_999_i64)),
        ("delete", "platform", json!(5)),
        ("delete", "uid", json!(["erin"])),
        ("delete", "uid", json!(7)),
        ("delete", "group", json!("g")),
        ("kick", "reason", json!(7)),
    ] {
        let refused = operator.tries(act, &body(key, value.clone()));
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (400, Some("body")),
            "{act} {key} {value}"
        );
    }
    assert_eq!(operator.tries("kick", &json!(["erin"])).status, 400);
    assert_eq!(operator.tries("kick", &json!(null)).status, 400);
    link.say("erin", "m", "still here");
    assert_eq!(operator.sees("user?uid=erin")["ban"], Value::Null);
    // On another platform there is no link.
    assert_eq!(operator.acts("kick", &body("platform", json!(WEB)))["closed"], 0);
    assert_eq!(operator.acts("kick", &body("platform", json!(IOS)))["closed"], 1);
    operator.acts("ban", &body("until", json!(9_999_999_999_i64)));
    assert_eq!(operator.sees("user?uid=erin")["ban"]["until"], 9_999_999_999_i64);
    let platform = format!("\"platform\":{WEB}");
    server.logged(&["\"act\":\"kick\"", "\"uid\":\"erin\"", &platform, "done"]);
    server.logged(&["\"act\":\"ban\"", "\"until\":9999999999", "done"]);
}

/// Has an operator delete a user who has much to leave, and goes as soon as the first part of it is done.
fn begin_to_delete(operator: &Operator<'_>, uid: &str) {
    let at = operator.server.operator();
    let body = json!({ "uid": uid, "reason": "asked for by phone" }).to_string();
    let (cookie, length) = (&operator.cookie, body.len());
    let mut stream = dial(at);
    write!(
        stream,
        "POST /console/api/act/delete HTTP/1.1\r\nHost: {at}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it is sent");
    let deadline = Instant::now() + PATIENCE;
    while !operator.sees(&format!("user?uid={uid}"))["profile"].is_null() {
        assert!(Instant::now() < deadline, "nothing is done");
    }
}

#[test]
fn who_goes_before_the_end_is_in_the_audit_all_the_same() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let [frank, owner] = server.register_all(["frank", "owner"]);
    let groups: Vec<String> = (0..30).map(|_| server.group(&owner, &[&frank])).collect();
    begin_to_delete(&operator, "frank");
    server.logged(&[
        "\"act\":\"delete\"",
        "\"uid\":\"frank\"",
        "asked for by phone",
        "\"outcome\":\"done\"",
    ]);
    for group in &groups {
        let seen = operator.sees(&format!("group?group={group}"));
        assert_eq!(seen["members"].as_array().map(Vec::len), Some(1), "{seen}");
    }
}

#[test]
fn a_deletion_that_was_interrupted_is_finished_by_the_next() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let mut server = Server::start();
    let [grace, owner] = server.register_all(["grace", "owner"]);
    let groups: Vec<String> = (0..30).map(|_| server.group(&owner, &[&grace])).collect();
    begin_to_delete(&server.console(), "grace");
    server.restart();
    let operator = server.console();
    operator.acts("delete", &json!({ "uid": "grace", "reason": "once more" }));
    for group in &groups {
        let seen = operator.sees(&format!("group?group={group}"));
        assert_eq!(seen["members"].as_array().map(Vec::len), Some(1), "{seen}");
    }
}
