//! What the REST routes accept and refuse, and what they make of bodies of each client generation.

use openim_protocol::reply::TimeUnit;
use openim_protocol::request::PullRange;
use openim_protocol::rest::{
    BindError, RestSend, decode_newest_seq, decode_pull_msg, decode_register, decode_send_msg,
    decode_token,
};
use openim_record::Switches;

/// The send of the June client (spec 5.3).
const JUNE_SEND: &str = r#"{"reqIdentifier":1003,"platformID":1,"sendID":"alice","operationID":"1624882740","msgIncr":1,
 "data":{"sessionType":1,"msgFrom":100,"contentType":101,"recvID":"bob","forceList":null,"content":"hello","options":{},
 "clientMsgID":"6f1c0e","offlineInfo":{},"ext":null}}"#;

fn send(body: &str) -> RestSend<'_> {
    decode_send_msg(body.as_bytes(), 1000).expect("the body is sound")
}

#[test]
fn a_june_send_binds() {
    let got = send(JUNE_SEND);
    assert_eq!((got.head.req_identifier, got.head.msg_incr), (1003, Some(1)));
    assert_eq!((&*got.head.send_id, &*got.head.operation_id), ("alice", "1624882740"));
    assert_eq!(got.head.time_unit, TimeUnit::Seconds);
    assert_eq!((got.body.platform_id, got.body.session_type, got.body.content_type), (1, 1, 101));
    assert_eq!(
        (&*got.body.recv_id, &*got.body.content, &*got.body.client_msg_id),
        ("bob", "hello", "6f1c0e")
    );
    assert!(got.body.force_list.is_empty());
    assert_eq!(got.body.offline_info, "{}");
}

#[test]
fn an_august_send_binds_and_reads_nanoseconds() {
    let body = r#"{"reqIdentifier":1003,"platformID":2,"sendID":"alice","operationID":"o","senderNickName":"Al","senderFaceUrl":"u",
        "data":{"sessionType":2,"msgFrom":100,"contentType":113,"recvID":"g7","content":"x","options":{"history":0,"persistent":0},
        "clientMsgID":"c"}}"#;
    let got = send(body);
    assert_eq!((got.head.msg_incr, got.head.time_unit), (None, TimeUnit::Nanoseconds));
    assert_eq!((&*got.body.sender_nick_name, &*got.body.sender_face_url), ("Al", "u"));
    assert_eq!(
        got.body.switches,
        Switches { history: false, persistent: false, ..Switches::default() }
    );
}

#[test]
fn a_send_needs_only_what_cannot_be_guessed() {
    let least = r#"{"sendID":"a","operationID":"o","data":{"recvID":"b","content":"c","contentType":101,"sessionType":1,"clientMsgID":"m"}}"#;
    let got = send(least);
    assert_eq!(got.head.req_identifier, 1003);
    assert_eq!((got.body.platform_id, got.body.msg_from), (0, 100));
    assert_eq!(got.body.switches, Switches::default());
    for required in
        ["sendID", "operationID", "recvID", "content", "contentType", "sessionType", "clientMsgID"]
    {
        let body = least.replace(&format!("\"{required}\""), "\"other\"");
        assert!(decode_send_msg(body.as_bytes(), 1000).is_err(), "without {required}");
    }
}

#[test]
fn types_of_a_send_are_exact() {
    let changes = [
        (r#""sessionType":1"#, r#""sessionType":"1""#),
        (r#""sessionType":1"#, r#""sessionType":1.0"#),
        (r#""contentType":101"#, r#""contentType":2147483648"#),
        (r#""content":"hello""#, r#""content":5"#),
        (r#""forceList":null"#, r#""forceList":[1]"#),
        (r#""forceList":null"#, r#""forceList":"bob""#),
        (r#""options":{}"#, r#""options":[]"#),
        (r#""offlineInfo":{}"#, r#""offlineInfo":"{}""#),
        (r#""ext":null"#, r#""ext":1"#),
        (r#""msgIncr":1"#, r#""msgIncr":9223372036854775808"#),
        (r#""recvID":"bob""#, r#""recvID":"b ob""#),
        (r#""sendID":"alice""#, r#""sendID":"""#),
    ];
    for (from, to) in changes {
        let body = JUNE_SEND.replace(from, to);
        assert_ne!(body, JUNE_SEND, "{from}");
        assert!(decode_send_msg(body.as_bytes(), 1000).is_err(), "{to}");
    }
}

#[test]
fn a_long_correlation_number_is_kept() {
    let body =
        br#"{"reqIdentifier":1001,"operationID":"o","sendID":"a","msgIncr":9223372036854775807}"#;
    let got = decode_newest_seq(body).expect("the body is sound");
    assert_eq!((got.req_identifier, got.msg_incr), (1001, Some(i64::MAX)));
    let without =
        decode_newest_seq(br#"{"operationID":"o","sendID":"a"}"#).expect("the body is sound");
    assert_eq!((without.req_identifier, without.msg_incr), (1001, None));
}

#[test]
fn a_pull_accepts_zero_and_absent_ends() {
    let cases = [
        (r#"{"seqBegin":3,"seqEnd":5}"#, 3, 5),
        (r#"{"SEQBEGIN":0,"seqEnd":5}"#, 0, 5),
        ("{}", 0, 0),
        ("null", 0, 0),
    ];
    for (data, begin, end) in cases {
        let body = format!(r#"{{"sendID":"a","operationID":"o","msgIncr":2,"data":{data}}}"#);
        let got = decode_pull_msg(body.as_bytes()).expect("the body is sound");
        assert_eq!(got.range, PullRange { begin, end }, "{data}");
    }
    for data in ["[]", "1", r#"{"seqBegin":"3"}"#, r#"{"seqBegin":1.0}"#] {
        let body = format!(r#"{{"sendID":"a","operationID":"o","data":{data}}}"#);
        assert!(decode_pull_msg(body.as_bytes()).is_err(), "{data}");
    }
}

fn register(changes: &[(&str, &str)]) -> Result<String, BindError> {
    let mut members =
        vec![("secret", "\"s\""), ("platform", "1"), ("uid", "\"alice\""), ("name", "\"Al\"")];
    for &(key, value) in changes {
        members.retain(|(known, _)| *known != key);
        if !value.is_empty() {
            members.push((key, value));
        }
    }
    let texts: Vec<String> =
        members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    let body = format!("{{{}}}", texts.join(","));
    decode_register(body.as_bytes()).map(|register| register.uid.into_owned())
}

#[test]
fn a_register_gives_its_fields() {
    let body = br#"{"secret":"s","platform":7,"UID":"alice","Name":"Al","icon":"i","gender":2,"mobile":"m","birth":"b","email":"e","ex":"x","more":1} trailing"#;
    let got = decode_register(body).expect("the body is sound");
    assert_eq!((&*got.secret, got.platform, &*got.uid, &*got.name), ("s", 7, "alice", "Al"));
    assert_eq!((&*got.icon, got.gender, &*got.mobile, &*got.birth), ("i", 2, "m", "b"));
    assert_eq!((&*got.email, &*got.ex), ("e", "x"));
}

#[test]
fn limits_of_a_register() {
    let quoted = |letter: &str, count: usize| format!("\"{}\"", letter.repeat(count));
    let limits = [
        ("secret", 32),
        ("uid", 64),
        ("name", 64),
        ("icon", 1024),
        ("mobile", 32),
        ("birth", 16),
        ("email", 64),
        ("ex", 1024),
    ];
    for (key, chars_max) in limits {
        assert!(register(&[(key, &quoted("é", chars_max))]).is_ok(), "{key} at its limit");
        assert!(register(&[(key, &quoted("é", chars_max + 1))]).is_err(), "{key} above its limit");
    }
    for key in ["secret", "platform", "uid", "name"] {
        assert!(register(&[(key, "")]).is_err(), "without {key}");
        assert!(register(&[(key, "null")]).is_err(), "{key} null");
    }
    for key in ["icon", "gender", "mobile", "birth", "email", "ex"] {
        assert!(register(&[(key, "null")]).is_ok(), "{key} null");
    }
    for (key, value) in [
        ("platform", "0"),
        ("platform", "8"),
        ("platform", "-1"),
        ("gender", "3"),
        ("gender", "-1"),
    ] {
        assert!(register(&[(key, value)]).is_err(), "{key} {value}");
    }
    for (key, value) in [
        ("platform", "\"1\""),
        ("platform", "1.0"),
        ("uid", "5"),
        ("secret", "[]"),
        ("gender", "true"),
    ] {
        assert!(register(&[(key, value)]).is_err(), "{key} {value}");
    }
    for uid in ["\"a b\"", "\"\\t\"", "\"a\\u0000\"", "\"\u{3000}\""] {
        assert!(register(&[("uid", uid)]).is_err(), "{uid}");
    }
}

#[test]
fn violations_are_named_line_by_line() {
    let error = decode_register(b"{}").expect_err("everything is missing");
    let first = "Key: 'paramsUserRegister.Secret' Error:Field validation for 'Secret' failed on the 'required' tag";
    assert_eq!(error.text.lines().next(), Some(first));
    assert_eq!(error.text.lines().count(), 4);
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    for body in [
        "",
        "  \n",
        "{",
        "[]",
        "1",
        "\"x\"",
        "null",
        "{\"secret\"}",
        "secret=s&uid=a",
        "{} {",
        "nul",
    ] {
        assert!(decode_token(body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(decode_token(b"").expect_err("empty").text, "EOF");
    let deep = "[".repeat(100_000);
    assert!(decode_register(deep.as_bytes()).is_err());
    assert!(
        decode_send_msg(format!("{{\"data\":{{\"options\":{{\"a\":{deep}").as_bytes(), 1000)
            .is_err()
    );
}

#[test]
fn a_token_request_ignores_what_follows() {
    let got = decode_token(br#"{"secret":"s","platform":1,"uid":"u","uid":"alice"}}}} {"#)
        .expect("the first value is sound");
    assert_eq!((&*got.secret, got.platform, &*got.uid), ("s", 1, "alice"));
}
