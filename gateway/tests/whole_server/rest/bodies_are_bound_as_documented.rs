//! Binding of JSON bodies: leniency, limits, and the one shape of a refusal.

use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::http::{Answer, call};
use crate::support::platform::IOS;
use crate::support::rest::{registration, send_body};
use crate::support::server::Server;

#[track_caller]
fn assert_binding_error(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 400, "{case}: {}", answer.text());
    let body = answer.json();
    assert_eq!(body["errCode"], 400, "{case}: {body}");
    assert!(body["errMsg"].as_str().is_some_and(|text| !text.is_empty()), "{case}: {body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{case}: {body}");
}

#[test]
fn what_is_no_object_is_refused() {
    let server = Server::start();
    for route in [
        "/auth/user_register",
        "/auth/user_token",
        "/chat/newest_seq",
        "/chat/pull_msg",
        "/chat/send_msg",
    ] {
        for body in ["", "{", "bad", "[]", "7", "\"text\"", "{}", "null", "{\"secret\":"] {
            let answer = call(server.rest(), "POST", route, &[], body.as_bytes());
            assert_binding_error(&answer, &format!("{route} {body:?}"));
        }
    }
}

#[test]
fn register_fields_have_their_limits() {
    let server = Server::start();
    let long = |n: usize| json!("\u{4f60}".repeat(n));
    let bad = [
        ("secret", json!("")),
        ("secret", long(33)),
        ("secret", json!(7)),
        ("platform", json!(0)),
        ("platform", json!(8)),
        ("platform", json!(-1)),
        ("platform", json!("1")),
        ("platform", json!(1.5)),
        ("platform", json!(4_294_967_297i64)),
        ("uid", json!("")),
        ("uid", long(65)),
        ("uid", json!(null)),
        ("name", json!("")),
        ("name", long(65)),
        ("icon", long(1025)),
        ("gender", json!(3)),
        ("gender", json!(-1)),
        ("mobile", long(33)),
        ("birth", long(17)),
        ("email", long(65)),
        ("ex", long(1025)),
    ];
    for (key, value) in bad {
        let mut body = registration("alice", IOS);
        body[key] = value.clone();
        assert_binding_error(
            &server.post("/auth/user_register", &body),
            &format!("{key}: {value}"),
        );
    }
    for key in ["secret", "platform", "uid", "name"] {
        let mut body = registration("alice", IOS);
        body.as_object_mut().expect("an object").remove(key);
        assert_binding_error(&server.post("/auth/user_register", &body), &format!("without {key}"));
    }
    // Limits count characters, not bytes.
    let mut body = registration("alice", IOS);
    for (key, length) in
        [("name", 64), ("icon", 1024), ("mobile", 32), ("birth", 16), ("email", 64), ("ex", 1024)]
    {
        body[key] = long(length);
    }
    assert_eq!(server.post("/auth/user_register", &body).status, 200);
}

#[test]
fn keys_match_in_any_case_the_last_wins_and_the_rest_is_ignored() {
    let server = Server::start();
    let text = format!(
        r#"{{"SECRET":"{SECRET}","Platform":1,"UID":"wrong","uId":"alice","NAME":"n","unknown":[1]}} trailing"#
    );
    let headers = [("Content-Type", "text/plain")];
    let answer = call(server.rest(), "POST", "/auth/user_register", &headers, text.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"]["uid"], "alice");
}

/// `1.0` is no integer on this wire, though JSON knows no difference.
#[test]
fn integers_have_no_fraction() {
    let server = Server::start();
    let text = registration("alice", IOS).to_string().replace("\"platform\":1", "\"platform\":1.0");
    assert!(text.contains("1.0"));
    assert_binding_error(
        &call(server.rest(), "POST", "/auth/user_register", &[], text.as_bytes()),
        "1.0",
    );
}

#[test]
fn send_needs_its_fields_and_no_others() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let full = send_body(&alice, "bob", "m", "hello");
    for key in ["sendID", "operationID"] {
        let mut body = full.clone();
        body.as_object_mut().expect("an object").remove(key);
        assert_binding_error(
            &server.post_as(&alice.token, "/chat/send_msg", &body),
            &format!("without {key}"),
        );
    }
    for key in ["recvID", "content", "contentType", "sessionType", "clientMsgID"] {
        let mut body = full.clone();
        body["data"].as_object_mut().expect("an object").remove(key);
        assert_binding_error(
            &server.post_as(&alice.token, "/chat/send_msg", &body),
            &format!("without {key}"),
        );
    }
    for (key, wrong) in
        [("content", json!(5)), ("contentType", json!("101")), ("forceList", json!("bob"))]
    {
        let mut body = full.clone();
        body["data"][key] = wrong;
        assert_binding_error(
            &server.post_as(&alice.token, "/chat/send_msg", &body),
            &format!("wrong {key}"),
        );
    }
    let least = json!({"sendID": "alice", "operationID": "op", "data": {"recvID": "bob", "content": "c",
        "contentType": 101, "sessionType": 1, "clientMsgID": "least"}});
    let reply = server.post_as(&alice.token, "/chat/send_msg", &least).json();
    assert_eq!(reply["errCode"], 0, "{reply}");
    assert_eq!(reply.get("msgIncr"), None::<&Value>, "echoed only if sent: {reply}");
}
