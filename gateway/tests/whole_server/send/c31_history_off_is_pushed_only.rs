//! C31: with `history: 0` a message is pushed with seq 0, is in no pull, and moves no counter.

use serde_json::json;

use crate::support::server::Server;

#[test]
fn c31_no_trace_but_the_push() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    // Typing of the published clients: both off; and the log kept without the inbox.
    for (n, options) in
        [json!({"history": 0, "persistent": 0}), json!({"history": 0})].iter().enumerate()
    {
        let ack = alice.say_with("bob", &format!("typing{n}"), options);
        assert!(!ack.server_id.is_empty());
        let push = bob.pushed();
        assert_eq!(
            (&push["serverMsgID"], &push["seq"]),
            (&ack.server_id.into(), &0.into()),
            "{push}"
        );
    }
    assert_eq!((alice.newest(), bob.newest()), (0, 0));
    alice.say("bob", "real", "takes the first seq");
    assert_eq!(bob.pushed()["seq"], 1);
    assert_eq!((alice.inbox().len(), bob.inbox().len()), (1, 1));
}

#[test]
fn c31_nobody_finds_it_later() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    alice.say_with("bob", "typing", &json!({"history": 0, "persistent": 0}));
    server.at_rest();
    let mut bob = server.newcomer("bob");
    alice.say("bob", "real", "the first that bob sees");
    assert_eq!(bob.pushed()["clientMsgID"], "real");
    assert_eq!(bob.newest(), 1);
}
