//! C39: the REST twins return what 1001 and 1002 return, and echo a `msgIncr` of up to 63 bits.

use serde_json::json;

use crate::support::server::Server;

#[test]
fn c39_newest_and_pull_are_the_same_on_both_ways() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let token = alice.user.token.clone();
    for round in 0..3 {
        let newest = alice.newest();
        for incr in [1, i64::from(i32::MAX) + 1, i64::MAX] {
            let ask = json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "op", "msgIncr": incr});
            let answer = server.post_as(&token, "/chat/newest_seq", &ask);
            let reply = answer.json();
            assert_eq!((answer.status, &reply["errCode"]), (200, &json!(0)), "{reply}");
            assert_eq!(
                (&reply["msgIncr"], &reply["reqIdentifier"]),
                (&json!(incr), &json!(1001)),
                "{reply}"
            );
            assert_eq!(
                (&reply["data"]["seq"], &reply["data"]["maxSeq"]),
                (&json!(newest), &json!(newest)),
                "{reply}"
            );
            assert!(reply["data"]["minSeq"].is_i64(), "{reply}");
            let ask = json!({"reqIdentifier": 1002, "sendID": "alice", "operationID": "op", "msgIncr": incr,
                "data": {"seqBegin": 1, "seqEnd": 100}});
            let answer = server.post_as(&token, "/chat/pull_msg", &ask);
            let reply = answer.json();
            assert_eq!((answer.status, &reply["errCode"]), (200, &json!(0)), "{reply}");
            assert_eq!(
                (&reply["msgIncr"], &reply["reqIdentifier"]),
                (&json!(incr), &json!(1002)),
                "{reply}"
            );
            assert_eq!(reply["data"], alice.pull(1, 100));
        }
        let user = alice.user.clone();
        server.rest_send(&user, "bob", &format!("rest{round}"), "over REST");
        alice.say("bob", &format!("ws{round}"), "over the websocket");
    }
    assert_eq!(alice.newest(), 6);
}

#[test]
fn a_pull_from_seq_0_is_accepted() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    alice.say("bob", "m", "hello");
    let ask = json!({"reqIdentifier": 1002, "sendID": "alice", "operationID": "op", "msgIncr": 1,
        "data": {"seqBegin": 0, "seqEnd": 1}});
    let reply = server.post_as(&alice.user.token, "/chat/pull_msg", &ask).json();
    assert_eq!(reply["data"], alice.pull(1, 1), "{reply}");
}
