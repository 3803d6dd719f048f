//! A peer that answers no pings is gone, whatever TCP says: its link is closed, one that answers is not.

use crate::support::platform::IOS;
use crate::support::raw::{PING, PONG, RawLink, frame};
use crate::support::server::Setup;

#[test]
fn a_silent_peer_is_pinged_and_then_closed() {
    let server = Setup::new().set("OPENIM_LIMITS_PINGSECONDS", 1).start();
    let dead = server.register("dead", IOS);
    let alive = server.register("alive", IOS);
    let mut dead = RawLink::open(server.ws(), &dead);
    let mut alive = RawLink::open(server.ws(), &alive);
    let mut pings = 0;
    while let Some(ping) = alive.read() {
        assert_eq!(ping.opcode, PING, "nothing but pings: {ping:?}");
        alive.send(&frame(true, PONG, &ping.payload));
        pings += 1;
        if pings == 5 {
            break;
        }
    }
    assert_eq!(pings, 5, "a link that answers is kept");
    let mut unanswered = 0;
    while let Some(frame) = dead.read() {
        unanswered += usize::from(frame.opcode == PING);
    }
    assert!((1..=3).contains(&unanswered), "closed after two missed: {unanswered}");
}
