//! The pull writer under every order of calls, and in pieces.

use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::PullWriter;
use openim_protocol::shown::Shown;
use openim_record::Message;
use serde_json::Value;

fn message(seq: i64) -> Shown<'static> {
    let message = Message {
        send_id: "bob",
        recv_id: "alice",
        msg_from: 100,
        content_type: 101,
        content: "hi",
        sender_platform_id: 2,
        client_msg_id: "c",
        ..Message::BLANK
    };
    Shown { message, server_msg_id: "id", seq, send_time: 1_622_033_431 }
}

/// Writes messages for the peers that the letters name; `|` moves on to the groups.
fn write(calls: &str, code: ErrCode) -> Value {
    let mut sent = Vec::new();
    let mut buffer = Vec::new();
    let mut writer = PullWriter::begin(&mut buffer);
    for (seq, call) in (1..).zip(calls.chars()) {
        match call {
            '|' => writer.groups(&mut buffer),
            peer => writer.message(&mut buffer, &peer.to_string(), &message(seq)),
        }
        // As a link does that has room for one message at a time.
        sent.append(&mut buffer);
    }
    writer.end(&mut buffer, 1002, None, code, "");
    sent.append(&mut buffer);
    serde_json::from_slice(&sent).expect("a pull reply is one JSON object")
}

fn shape(lists: &Value) -> String {
    let lists = lists.as_array().expect("a list, never null");
    let list = |list: &Value| {
        let count = list["list"].as_array().expect("a list").len();
        format!("{}{count}", list["id"].as_str().expect("an id"))
    };
    lists.iter().map(list).collect::<Vec<_>>().join(" ")
}

#[test]
fn any_order_of_calls_is_one_object() {
    let cases = [
        ("", "", ""),
        ("|", "", ""),
        ("||", "", ""),
        ("aab", "a2 b1", ""),
        ("|gg", "", "g2"),
        ("ab|gh", "a1 b1", "g1 h1"),
        ("a|a", "a1", "a1"),
        ("aba", "a1 b1 a1", ""),
        ("a|g|h", "a1", "g1 h1"),
    ];
    for (calls, single, group) in cases {
        let reply = write(calls, ErrCode::Ok);
        assert_eq!(shape(&reply["data"]["single"]), single, "{calls}");
        assert_eq!(shape(&reply["data"]["group"]), group, "{calls}");
        assert_eq!(reply["errCode"], 0);
    }
}

#[test]
fn the_ends_are_those_of_what_was_written() {
    let reply = write("ab|g", ErrCode::Ok);
    assert_eq!((&reply["data"]["minSeq"], &reply["data"]["maxSeq"]), (&1.into(), &4.into()));
    let empty = write("", ErrCode::Ok);
    assert_eq!((&empty["data"]["minSeq"], &empty["data"]["maxSeq"]), (&0.into(), &0.into()));
}

#[test]
fn a_store_that_fails_halfway_ends_in_an_error() {
    assert_eq!(write("aa", ErrCode::PullFailed)["errCode"], 1);
}

#[test]
fn group_messages_are_addressed_to_the_owner() {
    let mut out = Vec::new();
    let mut writer = PullWriter::begin(&mut out);
    writer.message(&mut out, "bob", &message(1));
    let of_group = Message { recv_id: "g \"7\"", ..message(2).message };
    let group = Shown { message: of_group, ..message(2) };
    writer.group_message(&mut out, "alice", &group);
    writer.group_message(&mut out, "alice", &Shown { seq: 3, ..group });
    writer.end(&mut out, 1002, None, ErrCode::Ok, "");
    let reply: Value = serde_json::from_slice(&out).expect("a pull reply is one JSON object");
    assert_eq!(shape(&reply["data"]["single"]), "bob1");
    assert_eq!(shape(&reply["data"]["group"]), "g \"7\"2");
    assert_eq!(reply["data"]["group"][0]["list"][1]["recvID"], "alice g \"7\"");
}
