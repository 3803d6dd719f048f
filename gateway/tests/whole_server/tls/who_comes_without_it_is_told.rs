//! A client without TLS gets one plain answer that says what is wrong, whatever is no TLS an end, and both are counted.

use std::io::{Read, Write};

use crate::limits::metric::{reaches, sum};
use crate::support::http;
use crate::support::server::Setup;

#[test]
fn plain_requests_are_answered_and_noise_is_not() {
    let server = Setup::new().with_tls().start();
    for port in server.ports() {
        let answer = http::call(port, "GET", "/healthz", &[], b"");
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("https:// or wss://"), "{}", answer.text());
    }
    reaches(&server, "openim_tls_handshakes_failed_total", 2);
    for (n, noise) in [&[0xff; 64][..], &[22, 3, 1, 0, 5, 1, 2, 3, 4, 5], &[0x80, 0x2e, 1, 3, 1]]
        .into_iter()
        .enumerate()
    {
        let mut stream = http::dial(server.ports()[n % 2]);
        stream.write_all(noise).expect("the server listens");
        let mut answer = Vec::new();
        // An alert at most, then the end, perhaps by a reset.
        drop(stream.read_to_end(&mut answer));
        assert!(answer.len() < 64, "{answer:?}");
    }
    reaches(&server, "openim_tls_handshakes_failed_total", 5);
    server.newcomer("alice").close();
    assert!(sum(&server, "openim_tls_handshakes_total") >= 2);
}
