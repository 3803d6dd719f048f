//! C37: a frame or message above the byte limit closes its own link with 1009 and no other.

use serde_json::json;

use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::raw::{CONTINUATION, RawLink, TEXT, frame};
use crate::support::server::Server;

const LIMIT: usize = 65_536;

#[test]
fn c37_the_limit_is_exact_for_frames_and_for_fragments_together() {
    let server = Server::start();
    let mut bystander = server.newcomer("bystander");
    let alice = server.register("alice", IOS);
    let half = vec![b'x'; LIMIT / 2];
    let too_large = [
        ("one frame", frame(true, TEXT, &vec![b'x'; LIMIT + 1])),
        (
            "fragments",
            [
                frame(false, TEXT, &half),
                frame(false, CONTINUATION, &half),
                frame(true, CONTINUATION, b"x"),
            ]
            .concat(),
        ),
        // Nothing of the payload is sent: the announcement is enough.
        (
            "an announced gigabyte",
            [&[0x81, 0xff][..], &(1u64 << 30).to_be_bytes(), &[0; 4]].concat(),
        ),
        ("an announced 2^63", [&[0x81, 0xff][..], &(1u64 << 62).to_be_bytes(), &[0; 4]].concat()),
    ];
    for (name, bytes) in too_large {
        let mut link = RawLink::open(server.ws(), &alice);
        link.send(&bytes);
        assert_eq!(link.read_to_close(), Some(1009), "{name}");
        assert_eq!(bystander.newest(), 0, "{name}: others are not touched");
    }
}

#[test]
fn a_frame_of_exactly_the_limit_is_read() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut envelope = alice.envelope(1003, &message("bob", "m", "x"));
    let padding = LIMIT - envelope.to_string().len();
    envelope["data"]["content"] = json!("x".repeat(padding + 1));
    assert_eq!(envelope.to_string().len(), LIMIT);
    let reply = alice.ask(&envelope);
    assert_eq!(reply["errCode"], 0, "{reply}");
    assert_eq!(alice.inbox()[0]["content"].as_str().map(str::len), Some(padding + 1));
}
