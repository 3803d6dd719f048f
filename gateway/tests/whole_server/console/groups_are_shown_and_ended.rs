//! Groups: members and requests by page; a member is taken out, a group is ended, as by a manager, and those who were in it are told.

use serde_json::{Value, json};

use crate::support::engine::embedded_only;
use crate::support::rest::op;
use crate::support::server::Server;

fn members(seen: &Value) -> Vec<&str> {
    let members = seen["members"].as_array().expect("a list");
    members.iter().map(|member| member["uid"].as_str().expect("a text")).collect()
}

#[test]
fn as_by_a_manager() {
    if embedded_only("a cluster has no console") {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let [alice, bob, carol, dave] = server.register_all(["alice", "bob", "carol", "dave"]);
    let group = server.group(&alice, &[&bob, &carol]);
    let body = op(json!({ "groupID": group, "message": "let me in" }));
    server.done_as(&dave, "/group/join_group", &body);
    let seen = operator.sees(&format!("group?group={group}"));
    assert_eq!(members(&seen), ["alice", "bob", "carol"]);
    assert_eq!((&seen["count"], &seen["owner"]), (&json!(3), &json!("alice")));
    assert_eq!(seen["members"][0]["role"], 1);
    assert_eq!(
        (&seen["requests"][0]["from"], &seen["requests"][0]["message"]),
        (&json!("dave"), &json!("let me in"))
    );
    assert_eq!(
        members(&operator.sees(&format!("group?group={group}&after=alice"))),
        ["bob", "carol"]
    );

    let because = |uid: &str| json!({ "group": group, "uid": uid, "reason": "spam" });
    operator.acts("remove", &because("bob"));
    assert_eq!(members(&operator.sees(&format!("group?group={group}"))), ["alice", "carol"]);
    let owner = operator.tries("remove", &because("alice"));
    assert_eq!((owner.status, owner.json()["error"].as_str()), (409, Some("group")));
    operator.acts("dismiss", &json!({ "group": group, "reason": "spam" }));
    assert_eq!(operator.asks(&format!("group?group={group}")).status, 404);
    server.logged(&["\"act\":\"dismiss\"", &group, "spam", "done"]);
    // Both are told, as by REST.
    for (user, kind) in [(&bob, 509), (&carol, 513)] {
        let told = server.connect(user).inbox();
        let is = |message: &Value| message["contentType"] == kind;
        assert!(told.iter().any(is), "{told:?}");
    }
}
