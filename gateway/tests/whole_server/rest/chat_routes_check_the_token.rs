//! Nobody reads or writes as somebody else over REST.

use serde_json::json;

use crate::support::http::Answer;
use crate::support::platform::IOS;
use crate::support::rest::send_body;
use crate::support::server::Server;
use crate::support::{ACCESS_SECRET, jwt};

#[track_caller]
fn assert_not_validated(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json(), json!({"errCode": 400, "errMsg": "token validate err"}));
}

#[test]
fn bad_tokens_get_400_on_every_chat_route() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    let expired = jwt::sign(ACCESS_SECRET, jwt::HS256, &jwt::claims("alice", "IOS", 7200, -3600));
    let bearer = format!("Bearer {}", alice.token);
    let ask = json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "op", "msgIncr": 1});
    let pull = json!({"reqIdentifier": 1002, "sendID": "alice", "operationID": "op", "msgIncr": 1,
        "data": {"seqBegin": 1, "seqEnd": 2}});
    let send = send_body(&alice, "bob", "m", "hello");
    for (route, body) in
        [("/chat/newest_seq", ask), ("/chat/pull_msg", pull), ("/chat/send_msg", send)]
    {
        assert_not_validated(&server.post(route, &body));
        for token in ["garbage", bob.token.as_str(), expired.as_str(), bearer.as_str()] {
            assert_not_validated(&server.post_as(token, route, &body));
        }
        let mut in_body = body.clone();
        in_body["token"] = json!(alice.token);
        assert_not_validated(&server.post(route, &in_body));
        let answer = server.post_as(&alice.token, route, &body);
        assert_eq!((answer.status, &answer.json()["errCode"]), (200, &json!(0)), "{route}");
    }
    assert_eq!(server.connect(&bob).newest(), 1, "only the one good send arrived");
}
