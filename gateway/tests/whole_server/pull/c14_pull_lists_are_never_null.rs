//! C14: `single` and `group` are lists in every reply to a pull, refusals included.

use serde_json::{Value, json};

use crate::support::link::Link;
use crate::support::server::Server;

const EMPTY: &str = r#"{"group":[],"maxSeq":0,"minSeq":0,"single":[]}"#;

#[track_caller]
fn assert_empty_pull(link: &mut Link, data: &Value, code: i64) {
    let envelope = link.envelope(1002, data);
    let reply = link.ask(&envelope);
    assert_eq!(reply["errCode"], code, "{data} got {reply}");
    assert_eq!(reply["errMsg"] == "", code == 0, "{reply}");
    assert_eq!(reply["data"].to_string(), EMPTY, "{data} got {reply}");
    assert_eq!(
        (&reply["reqIdentifier"], &reply["msgIncr"]),
        (&json!(1002), &envelope["msgIncr"]),
        "{reply}"
    );
}

#[test]
fn c14_missing_bounds_get_204_with_empty_lists() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for data in [json!(null), json!({}), json!({"seqEnd": 5}), json!({"seqBegin": 5})] {
        assert_empty_pull(&mut alice, &data, 204);
    }
    for wrong in [json!("abc"), json!([1]), json!({}), json!("99999999999999999999")] {
        assert_empty_pull(&mut alice, &json!({"seqBegin": wrong, "seqEnd": 5}), 203);
    }
}

#[test]
fn c14_an_inbox_that_does_not_exist_is_an_empty_success() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for (begin, end) in [(1, 10), (5, 1), (-3, -1), (1, i64::MAX), (i64::MIN, i64::MAX)] {
        assert_empty_pull(&mut alice, &json!({"seqBegin": begin, "seqEnd": end}), 0);
    }
}
