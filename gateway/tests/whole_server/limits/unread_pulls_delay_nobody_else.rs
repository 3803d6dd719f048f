//! Who asks for a long pull and does not read it uses up the long pulls of its shard, and nothing else: the short
//! pulls of others are answered meanwhile, and their long ones when it is gone.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::metric;
use crate::support::PATIENCE;
use crate::support::link::{message, messages};
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

/// More messages than one fetch gives, and many times what the sockets between server and client hold.
const COUNT: i64 = 400;
const CONTENT_BYTES: usize = 40_000;
const BATCH: i64 = 20;

#[test]
fn short_pulls_of_others_are_answered_meanwhile() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_PULLSINFLIGHT", 1)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let mut greedy = server.newcomer("greedy");
    let content = "x".repeat(CONTENT_BYTES);
    for batch in 0..COUNT / BATCH {
        for n in 0..BATCH {
            let data = message("bob", &format!("m{batch}.{n}"), &content);
            let envelope = greedy.envelope(1003, &data);
            greedy.send_text(&envelope);
        }
        for _ in 0..BATCH {
            let reply = greedy.reply();
            assert_eq!(reply["errCode"], 0, "{reply}");
        }
    }
    let unread = ask_and_not_read(&server, &greedy.user);
    metric::reaches(&server, "openim_pulls_in_flight", 1);
    let mut bob = server.newcomer("bob");
    for seq in 1..=20 {
        assert_eq!(messages(&bob.pull(seq, seq)).len(), 1, "on a link");
        let body = pull_body(&bob.user, seq, seq);
        let reply = server.post_as(&bob.user.token, "/chat/pull_msg", &body).json();
        assert_eq!(messages(&reply["data"]).len(), 1, "over REST");
    }
    metric::reaches(&server, "openim_pulls_in_flight", 1);
    drop(unread);
    assert_eq!(messages(&bob.pull(1, COUNT)).len() as i64, COUNT, "its turn came");
}

/// Asks for the whole inbox, sees that the answer begins, and leaves the rest.
fn ask_and_not_read(server: &Server, user: &User) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(32 * 1024).expect("a small buffer");
    socket.connect(&server.rest().into()).expect("the server accepts");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a non-zero time-out");
    let body = pull_body(user, 1, COUNT).to_string();
    let request = format!(
        "POST /chat/pull_msg HTTP/1.1\r\nHost: x\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n{body}",
        user.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("the answer begins");
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

fn pull_body(user: &User, begin: i64, end: i64) -> serde_json::Value {
    json!({"reqIdentifier": 1002, "sendID": user.uid, "operationID": "op", "msgIncr": 1,
        "data": {"seqBegin": begin, "seqEnd": end}})
}
