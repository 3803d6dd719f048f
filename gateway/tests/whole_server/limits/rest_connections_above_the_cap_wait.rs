//! REST connections above the configured number wait; each is served when another one leaves.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::metric;
use crate::support::http::{dial, read_answer};
use crate::support::server::Setup;

const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn the_third_is_served_when_one_of_two_leaves() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_RESTCONNECTIONSMAX", 2)
        .start();
    let mut idle: Vec<TcpStream> = (0..2).map(|_| dial(server.rest())).collect();
    for stream in &mut idle {
        stream.write_all(REQUEST).expect("the server reads");
        assert_eq!(read_answer(stream).status, 404, "served and kept open");
    }
    let mut third = dial(server.rest());
    third.write_all(REQUEST).expect("the system takes it");
    third.set_read_timeout(Some(Duration::from_millis(500))).expect("a non-zero time-out");
    let early = third.read(&mut [0]).expect_err("nobody serves the third yet");
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    metric::reaches(&server, "openim_rest_connections", 2);
    drop(idle.pop());
    third.set_read_timeout(Some(crate::support::PATIENCE)).expect("a non-zero time-out");
    assert_eq!(read_answer(&mut third).status, 404, "served at last");
    idle[0].write_all(REQUEST).expect("the server reads");
    assert_eq!(read_answer(&mut idle[0]).status, 404, "who was in stayed in");
}
