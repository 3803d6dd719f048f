//! Who comes again, on whichever port and shard, needs no new handshake with the certificate's key.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};

use crate::support::server::Setup;
use crate::support::tls::{Stream, dial};

/// Asks something, by which the tickets come.
fn ask(stream: &mut Stream) {
    stream.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is read");
    let mut chunk = [0; 4096];
    assert!(stream.read(&mut chunk).expect("an answer") > 0);
}

#[test]
fn tickets_are_known_to_all_shards_and_not_to_the_next_life() {
    let mut server = Setup::new().with_tls().start();
    let config: Arc<ClientConfig> = server.setup().tls().authority.trusting();
    let mut kinds = Vec::new();
    for n in 0..12 {
        let mut stream = dial(server.ports()[n % 2], &config).expect("a handshake");
        kinds.push(stream.conn.handshake_kind());
        ask(&mut stream);
    }
    assert_eq!(kinds[0], Some(HandshakeKind::Full));
    assert!(kinds[1..].iter().all(|kind| *kind == Some(HandshakeKind::Resumed)), "{kinds:?}");
    server.restart();
    let mut stream = dial(server.ports()[1], &config).expect("an old ticket is no obstacle");
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
    ask(&mut stream);
    let stream = dial(server.ports()[1], &config).expect("a handshake");
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
}
