//! C34: while the log takes nothing, a send is refused in time and links stay up; afterwards everything goes on, and
//! repeating what was refused makes exactly one message of it.

use std::fs;
use std::time::Instant;

use tokio_tungstenite::tungstenite::Message;

use crate::support::engine::embedded_only;
use crate::support::link::{Arrival, message};
use crate::support::platform::IOS;
use crate::support::rest::send_body;
use crate::support::server::Setup;

#[test]
fn c34_sends_are_refused_in_time_and_complete_when_repeated() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new().allow("stall").allow("log");
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let mut alice = server.newcomer("alice");
    let carol = server.register("carol", IOS);
    let mut bob = server.newcomer("bob");
    alice.say("bob", "before", "hello");
    assert_eq!(bob.pushed()["clientMsgID"], "before");

    fs::write(&stall, "").expect("written");
    // The log stalls until the file goes: what is answered before that was refused in spite of it. How soon, a test of
    // the shard says, whose clock is its own: `a_log_that_is_late_refuses_sends_until_it_has_answered`.
    let reply = alice.request(1003, &message("bob", "during", "hello"));
    assert_ne!(reply["errCode"], 0, "{reply}");
    assert_eq!(reply["reqIdentifier"], 1003, "{reply}");
    let again = send_body(&carol, "bob", "rest", "hello");
    let answer = server.post_as(&carol.token, "/chat/send_msg", &again);
    assert_ne!(answer.json()["errCode"], 0, "{}", answer.text());
    alice.send(Message::Ping(b"up?".to_vec().into()));
    assert!(matches!(alice.arrival(), Arrival::Pong(_)), "the link stays up");

    fs::remove_file(&stall).expect("written above");
    let deadline = Instant::now() + crate::support::PATIENCE;
    let receipt = loop {
        let reply = alice.request(1003, &message("bob", "during", "hello"));
        if reply["errCode"] == 0 {
            break reply["data"]["serverMsgID"].clone();
        }
        assert!(Instant::now() < deadline, "sends are accepted again: {reply}");
    };
    while server.post_as(&carol.token, "/chat/send_msg", &again).json()["errCode"] != 0 {
        assert!(Instant::now() < deadline, "sends are accepted again over REST");
    }
    let inbox = bob.inbox();
    let of = |client_id: &str| {
        inbox.iter().filter(|message| message["clientMsgID"] == client_id).count()
    };
    assert_eq!((of("before"), of("during"), of("rest"), inbox.len()), (1, 1, 1, 3), "{inbox:?}");
    assert!(inbox.iter().any(|message| message["serverMsgID"] == receipt));
    assert_eq!(alice.newest(), 2);
}
