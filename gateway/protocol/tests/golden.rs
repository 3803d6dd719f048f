//! The bytes of every answer and push, compared with files; `UPDATE_GOLDEN=1` rewrites them.
//!
//! A difference here is a difference that clients see.

#[path = "golden/rest_answers.rs"]
mod rest_answers;
#[path = "golden/tips.rs"]
mod tips;

use std::path::Path;

use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::{PullWriter, pull_error};
use openim_protocol::push::{self, Kick, PushTemplate, kick};
use openim_protocol::reply::{self, NewestSeq};
use openim_protocol::rest;
use openim_protocol::shown::Shown;
use openim_record::Message;

const SERVER_MSG_ID: &str = "2021-05-26 20:50:31-bob-8674665223082153551";

/// Compares what `write` appends with `tests/golden/<name>.json`.
fn golden(name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice::<serde::de::IgnoredAny>(&out).expect("an answer is one JSON value");
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let mut text = String::from_utf8(out).expect("an answer is UTF-8");
    text.push('\n');
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden file is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: run with UPDATE_GOLDEN=1 if the change is meant");
}

fn a_push() -> Shown<'static> {
    let message = Message {
        send_id: "bob",
        recv_id: "alice",
        session_type: 1,
        msg_from: 100,
        content_type: 101,
        content: "hi",
        sender_platform_id: 2,
        sender_nick_name: "Bob",
        sender_face_url: "https://example.com/bob.png?a=1&b=2",
        client_msg_id: "6f1c0e",
        ..Message::BLANK
    };
    Shown { message, server_msg_id: SERVER_MSG_ID, seq: 3, send_time: 1_622_033_431 }
}

fn a_group_push(recv_id: &'static str) -> Shown<'static> {
    let message = Message { recv_id, session_type: 2, ..a_push().message };
    Shown { message, ..a_push() }
}

fn pulled(
    seq: i64,
    send_id: &'static str,
    recv_id: &'static str,
    content: &'static str,
) -> Shown<'static> {
    let message = Message {
        send_id,
        recv_id,
        msg_from: 100,
        content_type: 101,
        content,
        sender_platform_id: 2,
        client_msg_id: "6f1c0e",
        ..Message::BLANK
    };
    Shown { message, server_msg_id: SERVER_MSG_ID, seq, send_time: 1_622_033_428 + seq }
}

#[test]
fn short_errors() {
    golden("error-syntax", |out| {
        reply::error_short(out, ErrCode::BadFrame, "unexpected end of JSON input", None, None)
    });
    golden("error-token", |out| {
        reply::error_short(
            out,
            ErrCode::TokenRefused,
            ErrCode::TokenRefused.text(),
            Some(1003),
            Some(7),
        );
    });
}

#[test]
fn newest_seq() {
    golden("newest-seq", |out| {
        reply::newest_seq(out, 1001, Some(1), Ok(NewestSeq { newest: 42, min: 1 }))
    });
    golden("newest-seq-rest-long-incr", |out| {
        reply::newest_seq(out, 1001, Some(i64::MAX), Ok(NewestSeq::default()));
    });
    golden("newest-seq-rest-no-incr", |out| {
        reply::newest_seq(out, 1001, None, Ok(NewestSeq { newest: 9, min: 4 }))
    });
    golden("newest-seq-unavailable", |out| {
        reply::newest_seq(
            out,
            1001,
            Some(1),
            Err((ErrCode::Unavailable, ErrCode::Unavailable.text())),
        );
    });
}

#[test]
fn receipts() {
    golden("receipt", |out| {
        reply::receipt(out, 1003, Some(3), "6f1c0e", SERVER_MSG_ID, 1_622_033_431)
    });
    golden("receipt-nanoseconds-no-incr", |out| {
        reply::receipt(out, 1003, None, "<\"\u{2028}é", SERVER_MSG_ID, 1_622_033_431_123_456_789);
    });
    golden("receipt-refused", |out| {
        reply::receipt_error(out, 1003, Some(3), ErrCode::DataMissing, "content is \"\"")
    });
}

#[test]
fn pulls() {
    golden("pull", |out| {
        let mut writer = PullWriter::begin(out);
        writer.message(out, "bob", &pulled(3, "bob", "alice", "hi"));
        writer.message(out, "bob", &pulled(4, "alice", "bob", "hello"));
        writer.message(out, "carol", &pulled(6, "carol", "alice", "a < b && c > d\n"));
        writer.groups(out);
        writer.message(out, "g7", &pulled(5, "bob", "alice g7", "hi all"));
        writer.end(out, 1002, Some(2), ErrCode::Ok, "");
    });
    golden("pull", |out| {
        let mut writer = PullWriter::begin(out);
        writer.message(out, "bob", &pulled(3, "bob", "alice", "hi"));
        writer.message(out, "bob", &pulled(4, "alice", "bob", "hello"));
        writer.message(out, "carol", &pulled(6, "carol", "alice", "a < b && c > d\n"));
        writer.group_message(out, "alice", &pulled(5, "bob", "g7", "hi all"));
        writer.end(out, 1002, Some(2), ErrCode::Ok, "");
    });
    golden("pull-empty", |out| PullWriter::begin(out).end(out, 1002, Some(2), ErrCode::Ok, ""));
    golden("pull-failed-halfway", |out| {
        let mut writer = PullWriter::begin(out);
        writer.message(out, "bob", &pulled(3, "bob", "alice", "hi"));
        writer.end(out, 1002, Some(2), ErrCode::PullFailed, ErrCode::PullFailed.text());
    });
    golden("pull-refused", |out| {
        pull_error(out, 1002, Some(2), ErrCode::DataMissing, "seqBegin is missing")
    });
    golden("pull-rest-no-incr", |out| pull_error(out, 1002, None, ErrCode::Unavailable, ""));
}

#[test]
fn pushes() {
    golden("push-single", |out| push::push(out, &a_push(), false));
    golden("push-group-emphasized", |out| {
        push::push(out, &a_group_push("alice g7"), true);
    });
    golden("push-group-emphasized", |out| {
        PushTemplate::new(&a_group_push("g7")).stamp(out, "alice", 3, true);
    });
    golden("push-ephemeral", |out| {
        let message = Message { content_type: 113, ..a_push().message };
        push::push(out, &Shown { message, seq: 0, ..a_push() }, false);
    });
    golden("push-awkward-content", |out| {
        let content = "\"quotes\" \\ <b>&amp;</b> 😀\n\t\u{2028}\u{2029}\u{1}\u{7f} “é”";
        let message = Message { content, ..a_push().message };
        push::push(out, &Shown { message, ..a_push() }, false);
    });
}

#[test]
fn kicks() {
    let june = Kick {
        uid: "alice",
        server_msg_id: SERVER_MSG_ID,
        content_type: push::KICK_TYPE_JUNE,
        content: push::KICK_CONTENT_JUNE,
        send_time: 1_622_033_431,
        platform: 2,
    };
    golden("kick-june", |out| kick(out, &june));
    let may = Kick { content_type: push::KICK_TYPE_MAY, content: push::KICK_CONTENT_MAY, ..june };
    golden("kick-may", |out| kick(out, &may));
    serde_json::from_str::<serde::de::IgnoredAny>(june.content)
        .expect("the June notice is JSON in a string");
}

#[test]
fn rest_answers() {
    golden("rest-token", |out| rest::token_answer(out, "alice", "eyJ.eyJ.sig", 1_622_638_231));
    golden("rest-binding", |out| rest::error_answer(out, ErrCode::Binding, "EOF"));
    golden("rest-chat-token", |out| {
        rest::error_answer(out, ErrCode::ChatToken, ErrCode::ChatToken.text())
    });
}
