//! C07: a ping is answered with its payload, a close with its code.

use tokio_tungstenite::tungstenite::Message;

use crate::support::link::Arrival;
use crate::support::platform::IOS;
use crate::support::raw::{self, RawLink};
use crate::support::server::Server;

#[test]
fn c07_a_ping_with_payload_gets_a_pong_with_that_payload() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for payload in [&b""[..], b"p", &[0xff; 125]] {
        alice.send(Message::Ping(payload.to_vec().into()));
        match alice.arrival() {
            Arrival::Pong(echo) => assert_eq!(echo, payload),
            other => panic!("a pong is wanted, not {other:?}"),
        }
    }
    // An unasked pong is nobody's business.
    alice.send(Message::Pong(b"unasked".to_vec().into()));
    assert_eq!(alice.newest(), 0);
}

#[test]
fn c07_a_close_is_answered_with_its_code_and_the_connection_ends() {
    let server = Server::start();
    server.newcomer("alice").close();
    let bob = server.register("bob", IOS);
    for code in [1000u16, 1001, 3000, 4999] {
        let mut link = RawLink::open(server.ws(), &bob);
        link.send(&raw::frame(true, raw::CLOSE, &code.to_be_bytes()));
        assert_eq!(link.read_to_close(), Some(code));
        assert!(link.read().is_none(), "nothing follows a close");
    }
}
