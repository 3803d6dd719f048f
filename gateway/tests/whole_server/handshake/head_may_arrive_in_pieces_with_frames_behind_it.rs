//! TCP has no message borders: a head in pieces is a head, and frames sent right behind it are not lost on the way
//! to the shard that owns the user.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::raw::{self, UPGRADE};
use crate::support::server::Server;
use crate::support::{PATIENCE, http};

#[test]
fn every_split_of_the_head_works_and_pipelined_frames_are_answered() {
    let server = Server::start();
    for n in 0..8 {
        let user = server.register(&format!("user{n}"), IOS);
        let mut head = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n", user.query());
        for (name, value) in UPGRADE {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let ask = json!({"reqIdentifier": 1001, "token": user.token, "sendID": user.uid, "operationID": "op",
            "msgIncr": 7});
        let mut bytes = head.clone().into_bytes();
        bytes.extend(raw::frame(true, raw::TEXT, ask.to_string().as_bytes()));
        let split = (n + 1) * head.len() / 8;
        let mut stream = http::dial(server.ws());
        stream.write_all(&bytes[..split]).expect("the first piece is sent");
        stream.flush().expect("nothing is buffered");
        // Gives the kernel a reason to deliver two segments; correctness does not depend on it.
        std::thread::yield_now();
        stream.write_all(&bytes[split..]).expect("the second piece is sent");
        let (answer, rest) = http::read_head(&mut stream);
        assert_eq!(answer.status, 101);
        let mut link = raw::RawLink::resume(stream, rest);
        let frame = link.read_within(PATIENCE).expect("a reply in time").expect("an open link");
        let reply: Value = serde_json::from_slice(&frame.payload).expect("a reply in JSON");
        assert_eq!((&reply["msgIncr"], &reply["errCode"]), (&json!(7), &json!(0)), "{reply}");
    }
}
