//! Who does not finish the handshake of TLS holds a socket no longer than who does not finish a head, and makes room.

use std::io::{Read, Write};

use crate::limits::metric::{reaches, sum};
use crate::support::http::dial;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn half_a_handshake_is_closed_in_time() {
    let server = Setup::new()
        .with_tls()
        .set("OPENIM_LONGCONNSVR_WEBSOCKETTIMEOUT", 1)
        .set("OPENIM_LIMITS_HEADSECONDS", 1)
        .start();
    // Nothing; the beginning of a record; a whole head of a record of which nothing follows.
    let pieces: [&[u8]; 3] = [&[], &[22, 3], &[22, 3, 1, 1, 0, 1, 0, 0, 0xfc]];
    let mut sockets = Vec::new();
    for port in server.ports() {
        for piece in pieces {
            let mut stream = dial(port);
            stream.write_all(piece).expect("the server listens");
            sockets.push(stream);
        }
    }
    for socket in &mut sockets {
        let mut answer = Vec::new();
        // Closed, perhaps by a reset; a read that times out is the failure.
        if let Err(error) = socket.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(answer.is_empty(), "{answer:?}");
    }
    reaches(&server, "openim_tls_handshakes_failed_total", 6);
    server.newcomer("alice").close();
}

#[test]
fn half_a_handshake_makes_room_for_newcomers() {
    let server = Setup::new()
        .with_tls()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_HANDSHAKESINFLIGHTMAX", 8)
        .start();
    let user = server.register("alice", IOS);
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = dial(server.ports()[0]);
        stream.write_all(&[22, 3, 1]).expect("the server listens");
        silent.push(stream);
    }
    server.connect(&user).close();
    assert!(sum(&server, "openim_connections_displaced_total") > 0);
}
