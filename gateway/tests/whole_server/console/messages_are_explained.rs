//! A message: what became of it with a user, by each of its names, in one answer; to viewers as well, and without what it says.

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::server::Setup;

#[test]
fn in_plain_words_and_without_its_content() {
    if embedded_only("a cluster has no console") {
        return;
    }
    let server = Setup::new().set("OPENIM_CONSOLE_VIEWERPASSWORD", "another one to look 8").start();
    let viewer = server.operator_with("another one to look 8");
    let [alice, _bob, _carol] = server.register_all(["alice", "bob", "carol"]);
    let mut link = server.connect(&alice);
    drop(link.say("bob", "m1", "nobody else reads this"));
    let waits = viewer.sees("why?uid=bob&message=m1");
    assert_eq!((&waits["reason"], &waits["seq"]), (&json!("waits"), &json!(1)), "{waits}");
    for text in [&waits["text"], &waits["textZh"]] {
        assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{waits}");
    }
    let message = &waits["message"];
    assert_eq!(
        (&message["sendID"], &message["recvID"], &message["clientMsgID"]),
        (&json!("alice"), &json!("bob"), &json!("m1"))
    );
    assert!(!waits.to_string().contains("reads this"), "{waits}");
    // By its other names it is the same.
    let server_id = message["serverMsgID"].as_str().expect("a text").replace(' ', "%20");
    for name in ["seq:1", "id:m1", &server_id] {
        let told = viewer.sees(&format!("why?uid=bob&message={name}"));
        assert_eq!((&told["reason"], &told["message"]), (&json!("waits"), message), "{name}");
    }
    let others = viewer.sees("why?uid=carol&message=m1&sender=alice");
    assert_eq!(others["reason"], "not_a_member", "{others}");
    for query in ["why?uid=bob", "why?message=m1", "why?uid=bob&message=m1&platform=9"] {
        let refused = viewer.asks(query);
        assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some("body")));
    }
}
