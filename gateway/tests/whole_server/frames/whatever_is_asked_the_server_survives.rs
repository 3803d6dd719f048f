//! Nothing a caller with a good token can say stops the server, nor the talk of others.

use serde_json::{Value, json};

use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::raw::{BINARY, RawLink, TEXT, frame};
use crate::support::server::Server;

#[test]
fn odd_values_get_an_answer_or_a_close_and_the_next_caller_is_served() {
    let server = Server::start();
    let mut bystander = server.newcomer("bystander");
    let mut alice = server.newcomer("alice");
    let long = "x".repeat(60_000);
    let odd: Vec<(&str, Value)> = vec![
        ("recvID", json!(long)),
        ("recvID", json!("bob group")),
        ("recvID", json!(" ")),
        ("recvID", json!("\u{0}")),
        ("recvID", json!("../../etc/passwd")),
        ("recvID", json!("-")),
        ("clientMsgID", json!(long)),
        ("clientMsgID", json!("\u{0}\u{0}")),
        ("contentType", json!(i32::MAX)),
        ("contentType", json!(i32::MIN)),
        ("contentType", json!(108)),
        ("contentType", json!(303)),
        ("platformID", json!(-1)),
        ("platformID", json!(i64::MAX)),
        ("msgFrom", json!(200)),
        ("options", json!({"history": -1, "persistent": null, "senderSync": "1"})),
        ("options", json!({"history": [[[]]], "x".repeat(1000): 0})),
        ("forceList", json!(vec!["bob"; 5000])),
        ("offlineInfo", json!({"a": {"b": {"c": 1}}})),
        ("ext", json!({"a": [1, 2, 3]})),
    ];
    for (n, (key, value)) in odd.into_iter().enumerate() {
        let mut data = message("bob", &format!("odd{n}"), "hello");
        data[key] = value;
        let reply = alice.request(1003, &data);
        assert!(reply["errCode"].is_i64(), "{key}: {reply}");
    }
    let newest = alice.newest();
    assert_eq!(alice.inbox().len() as i64, newest, "what was accepted is whole");
    bystander.say("bob", "after", "still served");
}

#[test]
fn odd_bytes_get_an_answer_or_a_close_and_the_next_caller_is_served() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut bystander = server.newcomer("bystander");
    let nested = [b"{\"data\":".repeat(8000), b"}".repeat(8000)].concat();
    let brackets = [b"[".repeat(30_000), b"]".repeat(30_000)].concat();
    let odd: [&[u8]; 9] = [
        b"\xff\xfe\xfd",
        b"{\"reqIdentifier\":1001,\"token\":\"\xff\"}",
        b"{\"token\":\"\\ud800\",\"reqIdentifier\":1001}",
        b"{\"token\":\"\\u12\"}",
        b"{\"reqIdentifier\":1e999999}",
        b"{\"reqIdentifier\":-0,\"msgIncr\":00}",
        b"\xef\xbb\xbf{}",
        &nested,
        &brackets,
    ];
    for bytes in odd {
        for opcode in [TEXT, BINARY] {
            let mut link = RawLink::open(server.ws(), &alice);
            link.send(&frame(true, opcode, bytes));
            let answer = link.read();
            assert!(
                answer.is_some(),
                "{:?} gets an answer or a close frame",
                &bytes[..bytes.len().min(40)]
            );
            bystander.newest();
        }
    }
}
