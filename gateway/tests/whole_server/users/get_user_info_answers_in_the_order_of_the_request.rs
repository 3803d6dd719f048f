//! `/user/get_user_info`: open to everybody (though not all of a profile), in the order of the request, without those it does not know.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{listed, op, plain, registration};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/user/get_user_info";

#[test]
fn unknown_uids_are_skipped_and_duplicates_answered_once() {
    let server = Server::start();
    for uid in ["alice", "bob", "carol"] {
        server.register(uid, IOS);
    }
    let asked = ["carol", "nobody", "alice", "", "carol", "bob", "no body"];
    let answer = server.post(ROUTE, &op(json!({ "uidList": asked })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")), "{answer}");
    assert_eq!(listed(&answer, "uid"), ["carol", "alice", "bob"]);
    let answer = server.post(ROUTE, &op(json!({"uidList": ["nobody"]}))).json();
    assert_eq!(answer, json!({"data": [], "errCode": 0, "errMsg": ""}));
}

#[test]
fn every_field_is_there_for_anybody_where_profiles_are_public() {
    let server = Setup::new().set("OPENIM_POLICY_PUBLICPROFILE", true).start();
    server.register("plain", IOS);
    let mut body = registration("full", IOS);
    let given = json!({"icon": "http://icon", "gender": 2, "mobile": "+49 1", "birth": "1984",
        "email": "full@example.org", "ex": "{\"a\":\"<&>\"}"});
    body.as_object_mut().expect("an object").extend(given.as_object().expect("an object").clone());
    assert_eq!(server.post("/auth/user_register", &body).status, 200);
    let mut full = given;
    full["uid"] = json!("full");
    full["name"] = json!("name of full");
    let empty = json!({"uid": "plain", "name": "name of plain", "icon": "", "gender": 0, "mobile": "",
        "birth": "", "email": "", "ex": ""});
    let ask = op(json!({"uidList": ["full", "plain"]}));
    for answer in [server.post(ROUTE, &ask), server.post_as("garbage", ROUTE, &ask)] {
        assert_eq!(answer.json(), json!({"data": [full, empty], "errCode": 0, "errMsg": ""}));
        let text = answer.text();
        let order = ["uid", "name", "icon", "gender", "mobile", "birth", "email", "ex"];
        let places: Vec<_> = order.iter().map(|key| text.find(&format!("\"{key}\":"))).collect();
        assert!(places.is_sorted(), "documented order: {text}");
    }
}

#[test]
fn an_absent_null_or_empty_list_gets_999() {
    let server = Server::start();
    for body in [json!({}), json!({"uidList": null}), json!({"uidList": []})] {
        let answer = server.post(ROUTE, &op(body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), plain(999, "uidList is nil"));
    }
}

#[test]
fn bodies_are_checked_and_lists_are_bounded() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 3).start();
    let alice = server.register("alice", IOS);
    let good = op(json!({"uidList": ["alice"]}));
    server.assert_binds(&alice, ROUTE, &good, &["operationID"]);
    for wrong in [json!("alice"), json!([1]), json!({}), json!(["alice", null, 7])] {
        let answer = server.post(ROUTE, &op(json!({ "uidList": wrong })));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
    let answer = server.post(ROUTE, &op(json!({"uidList": vec!["alice"; 3]}))).json();
    assert_eq!(listed(&answer, "uid"), ["alice"]);
    let answer = server.post(ROUTE, &op(json!({"uidList": vec!["alice"; 4]})));
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["errCode"], 400);
    let text = answer["errMsg"].as_str().expect("a text");
    assert!(text.ends_with("failed on the 'max' tag"), "{text}");
}

#[test]
fn a_full_list_of_the_default_bound_is_answered() {
    let server = Server::start();
    server.register("alice", IOS);
    let uids: Vec<String> =
        (1..1000).map(|number| format!("nobody{number}")).chain(["alice".to_owned()]).collect();
    let answer = server.post(ROUTE, &op(json!({ "uidList": uids }))).json();
    assert_eq!(listed(&answer, "uid"), ["alice"]);
    assert_eq!(server.post(ROUTE, &op(json!({"uidList": vec!["alice"; 1001]}))).status, 400);
}
