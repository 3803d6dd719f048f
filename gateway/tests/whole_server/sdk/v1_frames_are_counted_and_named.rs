//! Clients v1.0.x speak gob on the websocket (spec 7.2), which is not served: an operator reads so.

use tokio_tungstenite::tungstenite::Message;

use crate::support::server::Server;

/// A request for the newest seq as such a client sends it.
const REQUEST: &str = "657f0301010c47656e6572616c577352657101ff80000106010d5265714964656e7469666965720104000105\
    546f6b656e010c00010653656e644944010c00010b4f7065726174696f6e4944010c0001074d7367496e6372010c000104\
    4461746101\
    0a00000014ff8001fe07d202027531010137010475315f3900";

#[test]
fn once_a_link_however_many_there_are() {
    let server = Server::start();
    let frame: Vec<u8> = (0..REQUEST.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&REQUEST[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    let mut alice = server.newcomer("alice");
    for _ in 0..3 {
        alice.send(Message::binary(frame.clone()));
        assert_eq!(alice.reply()["errCode"], 200);
    }
    server.logged(&["a client of v1.0.x speaks gob", "alice"]);
    let log = server.log();
    assert_eq!(log.iter().filter(|line| line.contains("speaks gob")).count(), 1, "{log:#?}");
    assert_eq!(alice.newest(), 0, "the link goes on");
}
