//! A client that does not finish its head holds its socket no longer than the handshake time.

use std::io::{Read, Write};

use crate::support::http::dial;
use crate::support::server::Setup;

#[test]
fn an_unfinished_head_is_closed() {
    let server = Setup::new().set("OPENIM_LONGCONNSVR_WEBSOCKETTIMEOUT", 1).start();
    let mut sockets: Vec<_> = ["", "G", "GET / HTTP/1.1\r\nHost: x\r\n"]
        .iter()
        .map(|piece| {
            let mut stream = dial(server.ws());
            stream.write_all(piece.as_bytes()).expect("the server listens");
            stream
        })
        .collect();
    // Dripping does not help: the time is for the whole head.
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(300));
        sockets[2].write_all(b"X-Drip: 1\r\n").ok();
    }
    for socket in &mut sockets {
        let mut answer = Vec::new();
        // Closed with or without an answer, perhaps by a reset; a read that times out is the failure.
        if let Err(error) = socket.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    server.newcomer("alice").close();
}
