//! A frame that breaks the websocket protocol ends its own link with 1002 and nobody else's.

use crate::support::platform::IOS;
use crate::support::raw::{CLOSE, CONTINUATION, PING, RawLink, TEXT, frame};
use crate::support::server::Server;

#[test]
fn each_violation_is_closed_with_1002() {
    let server = Server::start();
    let mut bystander = server.newcomer("bystander");
    let alice = server.register("alice", IOS);
    let unmasked = {
        let mut bytes = vec![0x81, 5];
        bytes.extend(b"hello");
        bytes
    };
    let reserved_bit = {
        let mut bytes = frame(true, TEXT, b"{}");
        bytes[0] |= 0x40;
        bytes
    };
    let new_message_inside_another = [frame(false, TEXT, b"{"), frame(true, TEXT, b"}")].concat();
    let violations = [
        ("unmasked", unmasked),
        ("reserved bit", reserved_bit),
        ("reserved opcode", frame(true, 3, b"")),
        ("reserved control opcode", frame(true, 11, b"")),
        ("fragmented ping", frame(false, PING, b"")),
        ("long ping", frame(true, PING, &[0; 126])),
        ("continuation of nothing", frame(true, CONTINUATION, b"{}")),
        ("new message inside another", new_message_inside_another),
        ("close with half a code", frame(true, CLOSE, &[3])),
        ("close with a forbidden code", frame(true, CLOSE, &1005u16.to_be_bytes())),
    ];
    for (name, bytes) in violations {
        let mut link = RawLink::open(server.ws(), &alice);
        link.send(&bytes);
        assert_eq!(link.read_to_close(), Some(1002), "{name}");
        assert!(link.read().is_none(), "{name}: nothing follows a close");
        assert_eq!(bystander.newest(), 0, "{name}: others are not touched");
    }
}
