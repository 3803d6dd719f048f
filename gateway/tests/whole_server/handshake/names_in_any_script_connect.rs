//! A uid may be of any script. The published clients put it into the address as it is; others encode it.

use serde_json::{Value, json};

use crate::support::http;
use crate::support::platform::IOS;
use crate::support::raw::{RawLink, TEXT, UPGRADE, frame, write_head};
use crate::support::server::Server;

#[test]
fn a_uid_connects_encoded_and_as_it_is() {
    let server = Server::start();
    for uid in
        ["\u{7528}\u{6237}", "\u{e9}lan", "a.b-c_d~e", "dots...", "x@y.example", "17", "\u{1f600}"]
    {
        let user = server.register(uid, IOS);
        let encoded: String = uid.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for spelling in [uid, &encoded] {
            let mut stream = http::dial(server.ws());
            let target = format!("/?sendID={spelling}&token={}&platformID=1", user.token);
            write_head(&mut stream, "GET", &target, &UPGRADE);
            let (answer, rest) = http::read_head(&mut stream);
            assert_eq!(answer.status, 101, "{spelling}");
            let mut link = RawLink::resume(stream, rest);
            let ask = json!({"reqIdentifier": 1001, "token": user.token, "sendID": uid, "operationID": "op",
                "msgIncr": 1});
            link.send(&frame(true, TEXT, ask.to_string().as_bytes()));
            let reply = loop {
                let frame = link.read().expect("an open link");
                let reply: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                // The link before this one was replaced, which is not this one's business.
                if reply["reqIdentifier"] == 1001 {
                    break reply;
                }
            };
            assert_eq!(reply["errCode"], 0, "{spelling}: {reply}");
        }
    }
}
