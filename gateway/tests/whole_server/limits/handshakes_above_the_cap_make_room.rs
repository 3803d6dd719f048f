//! With all handshakes under way taken, an unfinished one makes room for the next; nobody is refused.

use std::io::{ErrorKind, Read, Write};

use crate::support::http::dial;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn the_next_is_completed_and_an_unfinished_one_ends() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_HANDSHAKESINFLIGHTMAX", 1)
        .set("OPENIM_LONGCONNSVR_WEBSOCKETTIMEOUT", 3600)
        .start();
    let alice = server.register("alice", IOS);
    let mut unfinished = dial(server.ws());
    unfinished.write_all(b"GET / HTTP/1.1\r\n").expect("the server listens");
    let mut link = server.connect(&alice);
    // It went first, so it had the only place.
    unfinished.set_nonblocking(true).expect("a socket of our own");
    match unfinished.read(&mut [0; 512]) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is still open"),
    }
    assert_eq!(link.newest(), 0);
}
