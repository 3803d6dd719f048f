//! A message about as large as the log takes reaches every member or is refused for good, and what is behind it comes
//! through.

use serde_json::json;

use crate::support::http::call;
use crate::support::link::{column, messages};
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body, send_body};
use crate::support::server::Setup;

#[test]
fn to_a_group_and_to_one() {
    let server = Setup::new()
        .set("OPENIM_KAFKA_RECORDBYTESMAX", 1_000_000)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 2_000_000)
        .start();
    let users: Vec<User> = (0..20)
        .map(|n| server.register(&format!("user{n}{}", "\u{1f642}".repeat(40)), IOS))
        .collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let (alice, bob) = (&users[0], &users[1]);
    let mut taken = Vec::new();
    for bytes in (999_000..1_000_100).step_by(100) {
        let content = "x".repeat(bytes);
        let to_group = group_body(alice, &group, &format!("g{bytes}"), &content);
        let to_one = send_body(alice, &bob.uid, &format!("s{bytes}"), &content);
        for body in [to_group, to_one] {
            let headers = [("token", alice.token.as_str())];
            let body = body.to_string();
            let sent = call(server.rest(), "POST", "/chat/send_msg", &headers, body.as_bytes());
            match sent.json()["errCode"].as_i64() {
                Some(0) => taken.push(bytes),
                // Not one that has it repeated for ever; nor has whoever sends it a line of the log for each.
                code => assert_eq!(code, Some(203), "{}", sent.text()),
            }
        }
    }
    assert!(taken.len() >= 2, "some are taken");
    server.rest_send(alice, &bob.uid, "behind", "hello");
    let behind = group_body(alice, &group, "behind in the group", "hello");
    assert_eq!(server.post_as(&alice.token, "/chat/send_msg", &behind).json()["errCode"], 0);
    let mut link = server.connect(bob);
    let (first, last) = (1, link.newest());
    assert_eq!(last, i64::try_from(taken.len()).expect("a few") + 2);
    // One by one: they are large.
    for seq in first..=last {
        assert_eq!(column(&messages(&link.pull(seq, seq)), "seq"), [&json!(seq)]);
    }
}
