//! C36: a client that stops reading delays nobody and is closed; what it missed it pulls afterwards.

use std::time::Duration;

use crate::support::link::messages;
use crate::support::platform::{IOS, WEB};
use crate::support::raw::RawLink;
use crate::support::server::Setup;

/// A message large enough that a few hundred fill every buffer between the server and a client that does not read.
const CONTENT_BYTES: usize = 48 * 1024;

#[test]
fn c36_others_receive_everything_and_the_slow_one_is_closed() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_OUTBOXBYTESMAX", 256 * 1024)
        .set("OPENIM_LIMITS_WRITESTALLSECONDS", 2)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .allow("slow")
        .start();
    let mut sender = server.newcomer("sender");
    let slow = server.register("slow", IOS);
    let mut stuck = RawLink::open_narrow(server.ws(), &slow);
    let mut twin = server.connect(&server.login("slow", WEB));
    let mut other = server.newcomer("other");
    let content = "x".repeat(CONTENT_BYTES);
    let count = 200;
    for n in 0..count {
        let to_slow = sender.say("slow", &format!("s{n}"), &content);
        let to_other = sender.say("other", &format!("o{n}"), "small");
        assert_eq!(
            other.pushed()["serverMsgID"],
            *to_other.server_id,
            "another user is not delayed"
        );
        assert_eq!(
            twin.pushed()["serverMsgID"],
            *to_slow.server_id,
            "nor is another device of the same user"
        );
    }
    // Not reading for longer than the write limit, so that also a link whose kernel buffers took it all is judged.
    std::thread::sleep(Duration::from_secs(3));
    let mut received = 0;
    while let Some(frame) = stuck.read() {
        received += usize::from(frame.opcode == 1);
    }
    assert!(received < count, "a link that does not read is not waited for: {received}");
    let mut back = server.connect(&slow);
    assert_eq!(back.newest(), count as i64);
    for seq in 1..=count as i64 {
        assert_eq!(messages(&back.pull(seq, seq)).len(), 1, "what was missed is pulled: {seq}");
    }
}
