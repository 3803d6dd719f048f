//! Whoever asks for long answers and reads none of them: what waits is under the server's own bounds. The system keeps
//! little of it, not the megabytes a connection that it would.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::PATIENCE;
use crate::support::server::{Server, Setup};

/// Looks that find the same: nothing moves any more.
const STILL: u32 = 20;

/// Bytes that the system keeps for `client` on the server's side.
fn kept_bytes(server: &Server, client: &TcpStream) -> usize {
    let port = |number: u16| format!(":{number:04X}");
    let ours = port(server.rest().port());
    let theirs = port(client.local_addr().expect("a bound socket").port());
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let rows = tables.iter().flatten().flat_map(|table| table.lines());
    let queue = rows.map(|row| row.split_whitespace().collect::<Vec<_>>()).find_map(|row| {
        let is_it = row.len() > 4 && row[1].ends_with(&ours) && row[2].ends_with(&theirs);
        is_it.then(|| row[4].split(':').next().expect("two numbers").to_owned())
    });
    queue.map_or(0, |bytes| usize::from_str_radix(&bytes, 16).expect("a hexadecimal number"))
}

#[test]
fn the_system_keeps_little_for_who_does_not_read() {
    let server = Setup::new().set("OPENIM_LIMITS_WRITESTALLSECONDS", 600).start();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.connect(&server.rest().into()).expect("the server accepts");
    let mut client = TcpStream::from(socket);
    // Some ten megabytes of answers.
    let asked = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(60);
    client.write_all(asked.as_bytes()).expect("a short request");
    let deadline = Instant::now() + PATIENCE;
    let (mut kept, mut still) = (0, 0);
    while kept == 0 || still < STILL {
        let now = kept_bytes(&server, &client);
        still = if now == kept { still + 1 } else { 0 };
        kept = now;
        assert!(Instant::now() < deadline, "it goes on moving: {kept} bytes");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(kept < 1 << 20, "the system keeps {kept} bytes");
}
