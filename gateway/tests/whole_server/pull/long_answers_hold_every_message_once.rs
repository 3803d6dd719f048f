//! A long answer is made a page at a time: whatever lies between, by range and by list, on a link and over REST,
//! every message is in it once, single chats apart from groups, and each conversation in order.

use serde_json::{Value, json};

use crate::support::link::{Link, group_message, message};
use crate::support::platform::IOS;
use crate::support::server::Server;

const COUNT: i64 = 700;

#[test]
fn by_range_and_by_list_on_a_link_and_over_rest() {
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    let group = server.group(&alice.user, &[&bob]);
    let before = alice.newest();
    for n in 0..COUNT {
        let data = match n % 3 {
            0 => message("bob", &format!("m{n}"), "to bob"),
            1 => message("carol", &format!("m{n}"), &"to carol".repeat(50)),
            _ => group_message(&group, &format!("m{n}"), "to all"),
        };
        let reply = alice.request(1003, &data);
        assert_eq!(reply["errCode"], 0, "{reply}");
    }
    let to = before + COUNT;
    holds(&alice.pull(1, to), 1..=to);
    // Every seventh and the last hundred, some of them next to each other.
    let wanted: Vec<i64> = (1..=to).filter(|seq| seq % 7 == 0 || *seq > to - 100).collect();
    over_rest(&server, &alice, &wanted, to);
    // The same from the store alone, after what was in memory is gone.
    server.kill();
    server.restart();
    let mut alice = server.connect(&alice.user);
    holds(&alice.pull(1, to), 1..=to);
    over_rest(&server, &alice, &wanted, to);
}

fn over_rest(server: &Server, alice: &Link, wanted: &[i64], to: i64) {
    let user = &alice.user;
    let head =
        json!({"reqIdentifier": 1002, "sendID": user.uid, "operationID": "op", "msgIncr": 1});
    let mut range = head.clone();
    range["data"] = json!({"seqBegin": 1, "seqEnd": to});
    let answer = server.post_as(&user.token, "/chat/pull_msg", &range).json();
    assert_eq!(answer["errCode"], 0, "{answer}");
    holds(&answer["data"], 1..=to);
    let mut list = head;
    list["seqList"] = json!(wanted);
    let answer = server.post_as(&user.token, "/chat/pull_msg_by_seq", &list).json();
    assert_eq!(answer["errCode"], 0, "{answer}");
    holds(&answer["data"], wanted.iter().copied());
}

/// Checks that a reply has these seqs, each once, by conversation.
#[track_caller]
fn holds(data: &Value, wanted: impl Iterator<Item = i64>) {
    let mut found = Vec::new();
    for (section, of_groups) in [("single", false), ("group", true)] {
        let mut last = std::collections::HashMap::new();
        for list in data[section].as_array().expect("a list") {
            for message in list["list"].as_array().expect("messages") {
                let receiver = message["recvID"].as_str().expect("a text");
                assert_eq!(receiver.contains(' '), of_groups, "{message}");
                let seq = message["seq"].as_i64().expect("a seq");
                let before = last.insert(list["id"].to_string(), seq);
                assert!(before < Some(seq), "a conversation is in order: {message}");
                found.push(seq);
            }
        }
    }
    found.sort_unstable();
    let wanted: Vec<i64> = wanted.collect();
    assert_eq!(found, wanted);
    let ends = [&data["minSeq"], &data["maxSeq"]].map(|seq| seq.as_i64().expect("a seq"));
    assert_eq!(ends, [wanted[0], wanted[wanted.len() - 1]]);
}
