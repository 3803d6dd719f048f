//! `/chat/pull_msg_by_seq`: the listed messages of the caller's inbox, as `/chat/pull_msg` gives them.

use serde_json::{Value, json};

use crate::support::link::{Link, column, group_message, messages};
use crate::support::platform::IOS;
use crate::support::rest::{User, plain};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/chat/pull_msg_by_seq";

fn body(user: &User, seqs: &[i64]) -> Value {
    // With a `msgIncr` times are in seconds, as on the websocket.
    json!({"reqIdentifier": 1004, "sendID": user.uid, "operationID": "op", "msgIncr": 7, "seqList": seqs})
}

#[track_caller]
fn pull(server: &Server, user: &User, seqs: &[i64]) -> Value {
    let answer = server.done_as(user, ROUTE, &body(user, seqs));
    let head = json!([answer["errMsg"], answer["reqIdentifier"], answer.get("msgIncr")]);
    assert_eq!(head, json!(["", 1004, 7]), "{answer}");
    answer["data"].clone()
}

/// An inbox of `alice` with single messages of both directions and group messages.
fn filled(server: &Server) -> Link {
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let group = server.group(&alice.user, &[&bob.user]);
    for n in 0..4 {
        alice.say("bob", &format!("out{n}"), "out");
        bob.say("alice", &format!("in{n}"), "in");
        bob.say_data(&group_message(&group, &format!("all{n}"), "to all"));
    }
    alice
}

#[test]
fn the_same_messages_as_a_range_gives() {
    let server = Server::start();
    let mut alice = filled(&server);
    let newest = alice.newest();
    assert_eq!(newest, 12);
    let all: Vec<i64> = (1..=newest).collect();
    let data = pull(&server, &alice.user, &all);
    let mut ranged = alice.pull(1, newest);
    // The order of the entries is nobody's promise; that inside them is.
    let sort = |data: &mut Value| {
        for kind in ["single", "group"] {
            let entries = data[kind].as_array_mut().expect("a list");
            entries.sort_by_key(|entry| entry["id"].as_str().expect("an id").to_owned());
        }
    };
    let mut listed = data.clone();
    sort(&mut listed);
    sort(&mut ranged);
    assert_eq!(listed, ranged);
    assert_eq!(data["single"][0]["id"], "bob");
    assert_eq!(data["group"].as_array().map(Vec::len), Some(1));
    for seq in 1..=newest {
        assert_eq!(messages(&pull(&server, &alice.user, &[seq])), messages(&alice.pull(seq, seq)));
    }
}

#[test]
fn some_in_any_order_with_unknown_ones_and_duplicates() {
    let server = Server::start();
    let mut alice = filled(&server);
    let asked = [9, 2, 700, 2, 5, -3, 0, 11, 9, i64::MAX, i64::MIN, 13];
    let data = pull(&server, &alice.user, &asked);
    let found = messages(&data);
    assert_eq!(column(&found, "seq"), [&json!(2), &json!(5), &json!(9), &json!(11)]);
    assert_eq!((&data["minSeq"], &data["maxSeq"]), (&json!(2), &json!(11)));
    for message in &found {
        let seq = message["seq"].as_i64().expect("an integer");
        assert_eq!(*message, messages(&alice.pull(seq, seq))[0]);
    }
    for list in data["single"].as_array().expect("a list") {
        let seqs: Vec<_> = column(list["list"].as_array().expect("a list"), "seq")
            .into_iter()
            .map(|seq| seq.as_i64())
            .collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
    }
    let nothing = json!({"single": [], "group": [], "maxSeq": 0, "minSeq": 0});
    for asked in [&[][..], &[700], &[0, -1], &[i64::MAX]] {
        assert_eq!(pull(&server, &alice.user, asked), nothing, "{asked:?}");
    }
    // Of an empty inbox likewise; and a correlation number is echoed.
    let fresh = server.register("fresh", IOS);
    assert_eq!(pull(&server, &fresh, &[1, 2, 3]), nothing);
    let mut with_incr = body(&fresh, &[]);
    with_incr["msgIncr"] = json!(i64::MAX);
    assert_eq!(server.done_as(&fresh, ROUTE, &with_incr)["msgIncr"], i64::MAX);
}

#[test]
fn it_answers_from_the_store_after_a_kill() {
    let mut server = Server::start();
    let mut alice = filled(&server);
    let before = messages(&alice.pull(1, 12));
    let user = alice.user.clone();
    drop(alice);
    server.restart();
    let found = messages(&pull(&server, &user, &[12, 1, 7]));
    assert_eq!(found, [before[0].clone(), before[6].clone(), before[11].clone()]);
}

#[test]
fn bodies_and_tokens_are_checked() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 3).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.connect(&bob).say("alice", "m", "for alice only");
    let good = body(&alice, &[1, 2, 3]);
    server.assert_binds(&alice, ROUTE, &good, &["sendID", "operationID"]);
    for seqs in [json!([1, "2"]), json!([1.0]), json!("1"), json!({}), json!([1, 2, 3, 4])] {
        let mut body = good.clone();
        body["seqList"] = seqs.clone();
        let answer = server.post_as(&alice.token, ROUTE, &body);
        assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(400)), "{seqs}");
    }
    let refused = |answer: crate::support::http::Answer| {
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json(), plain(400, "token validate err"));
    };
    refused(server.post(ROUTE, &good));
    refused(server.post_as(&bob.token, ROUTE, &good));
    assert_eq!(messages(&pull(&server, &alice, &[1])).len(), 1);
    for (token, _) in server.bad_tokens("alice") {
        refused(server.post_as(&token, ROUTE, &good));
    }
}
