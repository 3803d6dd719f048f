//! C12: a user without messages has newest seq 0; numbers come back as integers.

use serde_json::{Value, json};

use crate::support::server::Server;

#[test]
fn c12_the_reply_has_exactly_the_documented_shape() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut envelope = alice.envelope(1001, &Value::Null);
    for incr in [1i64, -5, i64::from(i32::MAX), i64::from(i32::MIN)] {
        envelope["msgIncr"] = json!(incr);
        let reply = alice.ask(&envelope);
        assert_eq!(reply["data"]["seq"], 0);
        let keys: Vec<&str> =
            reply.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["data", "errCode", "errMsg", "msgIncr", "reqIdentifier"]);
        let rest =
            (&reply["errCode"], &reply["errMsg"], &reply["msgIncr"], &reply["reqIdentifier"]);
        assert_eq!(rest, (&json!(0), &json!(""), &json!(incr), &json!(1001)));
    }
}
