//! `wire.timeUnit: nanoseconds`: ack, push and pull of one message carry the same nanosecond value.

use crate::support::jwt::now;
use crate::support::server::Setup;

#[test]
fn ack_push_and_pull_agree_in_nanoseconds() {
    let server = Setup::new().set("OPENIM_WIRE_TIMEUNIT", "nanoseconds").start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let ack = alice.say("bob", "m", "hello");
    assert!(
        ((now() - 60) * 1_000_000_000..(now() + 60) * 1_000_000_000).contains(&ack.send_time),
        "{ack:?}"
    );
    assert_eq!(bob.pushed()["sendTime"], ack.send_time);
    assert_eq!(bob.inbox()[0]["sendTime"], ack.send_time);
    assert_eq!(alice.inbox()[0]["sendTime"], ack.send_time);
}
