//! A pull of more messages than configured is answered with errCode 1, on a link and over REST, and counted; one of
//! just as many is answered in full.

use serde_json::{Value, json};

use super::metric;
use crate::support::link::messages;
use crate::support::server::Setup;

#[test]
fn six_are_refused_where_five_are_allowed() {
    let server = Setup::new().set("OPENIM_LIMITS_PULLMESSAGESMAX", 5).start();
    let mut alice = server.newcomer("alice");
    for n in 0..6 {
        alice.say("bob", &format!("m{n}"), "hello");
    }
    let user = alice.user.clone();
    let mut ask = |begin: i64, end: i64| -> [Value; 2] {
        let range = json!({"seqBegin": begin, "seqEnd": end});
        let link = alice.request(1002, &range);
        let body = json!({"reqIdentifier": 1002, "sendID": user.uid, "operationID": "op", "msgIncr": 1,
            "data": range});
        let answer = server.post_as(&user.token, "/chat/pull_msg", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        [link, answer.json()]
    };
    for reply in ask(1, 6) {
        assert_eq!(reply["errCode"], 1, "{reply}");
    }
    for (begin, end) in [(1, 5), (2, 6)] {
        for reply in ask(begin, end) {
            assert_eq!(reply["errCode"], 0, "{reply}");
            assert_eq!(messages(&reply["data"]).len(), 5, "{reply}");
        }
    }
    metric::reaches(&server, "openim_pulls_refused_total", 2);
}
