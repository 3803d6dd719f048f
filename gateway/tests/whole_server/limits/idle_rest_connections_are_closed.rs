//! A REST connection without a request for the keep-alive time is closed by the server, used before or not.

use std::io::{Read, Write};

use crate::support::http::{dial, read_answer};
use crate::support::server::Setup;

#[test]
fn both_a_used_and_an_unused_one_are_closed() {
    let server = Setup::new().set("OPENIM_LIMITS_KEEPALIVESECONDS", 1).start();
    let mut unused = dial(server.rest());
    let mut used = dial(server.rest());
    for _ in 0..2 {
        used.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server reads");
        assert_eq!(read_answer(&mut used).status, 404, "kept open for the next request");
    }
    for (name, stream) in [("used", &mut used), ("unused", &mut unused)] {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"),
            "{name}: {}",
            String::from_utf8_lossy(&rest)
        );
    }
}
