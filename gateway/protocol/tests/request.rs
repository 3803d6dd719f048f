//! What the websocket side accepts and refuses: tables of frames and the codes they are answered with.

use openim_protocol::errcode::ErrCode;
use openim_protocol::request::{
    DataError, Envelope, PullRange, SendBody, decode, decode_pull, decode_send, valid_uid,
};
use openim_record::Switches;

const HEAD: &str =
    r#""reqIdentifier":1003,"token":"t","sendID":"alice","operationID":"op","msgIncr":3"#;
const BODY: [(&str, &str); 10] = [
    ("platformID", "1"),
    ("sessionType", "1"),
    ("msgFrom", "100"),
    ("contentType", "101"),
    ("recvID", r#""bob""#),
    ("forceList", "[]"),
    ("content", r#""hello""#),
    ("options", "{}"),
    ("clientMsgID", r#""6f1c0e""#),
    ("offlineInfo", "{}"),
];

/// The code a frame is refused with; 0 if it is accepted.
fn envelope_code(frame: &str) -> i32 {
    decode(frame.as_bytes()).map_or_else(|error| error.code.number(), |_| 0)
}

/// A frame with this `data`.
fn framed(data: &str) -> String {
    format!("{{{HEAD},\"data\":{data}}}")
}

fn envelope(frame: &str) -> Envelope<'_> {
    decode(frame.as_bytes()).expect("the envelope is sound")
}

fn pull(data: &str) -> Result<PullRange, DataError> {
    decode_pull(envelope(&framed(data)).data)
}

/// A send body with some members replaced, or left out if the text is empty.
fn send_data(changes: &[(&str, &str)]) -> String {
    let mut members: Vec<(&str, &str)> = BODY.to_vec();
    for &(key, value) in changes {
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some(member) => member.1 = value,
            None => members.push((key, value)),
        }
    }
    let present = members.iter().filter(|(_, value)| !value.is_empty());
    let texts: Vec<String> = present.map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", texts.join(","))
}

/// The code a send is refused with; 0 if it is accepted.
fn send_code(data: &str) -> i32 {
    decode_send(envelope(&framed(data)).data).map_or_else(|error| error.code.number(), |_| 0)
}

fn switches(options: &str) -> Switches {
    let frame = framed(&send_data(&[("options", options)]));
    decode_send(envelope(&frame).data).expect("the options are sound").switches
}

#[test]
fn an_envelope_gives_its_fields() {
    let frame = framed("{\"seqBegin\":1}");
    let got = envelope(&frame);
    assert_eq!(got.req_identifier, 1003);
    assert_eq!(got.token, "t");
    assert_eq!(got.send_id, "alice");
    assert_eq!(got.operation_id, "op");
    assert_eq!(got.msg_incr, 3);
    assert_eq!(got.data.expect("data was sent").as_bytes(), b"{\"seqBegin\":1}");
}

#[test]
fn envelopes_that_are_accepted() {
    let cases = [
        format!("{{{HEAD}}}"),
        format!(" \n{{{HEAD}}}\t "),
        format!("{{{HEAD},\"data\":null}}"),
        format!("{{{HEAD},\"unknown\":[{{\"a\":1.5e9}}]}}"),
        r#"{"ReqIdentifier":1,"TOKEN":"t","SENDID":"a","operationid":"o","MSGINCR":1}"#.to_owned(),
        r#"{"\u0072eqIdentifier":1,"token":"t","sendID":"a","operationID":"o","msgIncr":1}"#
            .to_owned(),
        format!("{{{HEAD},\"token\":null}}"),
        format!("{{{HEAD},\"reqIdentifier\":-2147483648}}"),
    ];
    for frame in cases {
        assert_eq!(envelope_code(&frame), 0, "{frame}");
    }
}

#[test]
fn the_last_duplicate_counts() {
    let frame =
        format!("{{\"msgincr\":9,{HEAD},\"data\":{{\"a\":1}},\"MsgIncr\":5,\"data\":{{}}}}");
    let got = envelope(&frame);
    assert_eq!(got.msg_incr, 5);
    assert_eq!(got.data.expect("data was sent").as_bytes(), b"{}");
}

#[test]
fn frames_that_are_no_envelope_get_200() {
    let cases = [
        "".to_owned(),
        "{".to_owned(),
        "}".to_owned(),
        "hello".to_owned(),
        "[]".to_owned(),
        "1".to_owned(),
        "\"text\"".to_owned(),
        "true".to_owned(),
        "{'a':1}".to_owned(),
        "{\"a\":1,}".to_owned(),
        "\u{feff}{}".to_owned(),
        "{} {}".to_owned(),
        "null null".to_owned(),
        format!("{{{HEAD}}}x"),
        format!("{{{HEAD},\"reqIdentifier\":1001.0}}"),
        format!("{{{HEAD},\"reqIdentifier\":1e3}}"),
        format!("{{{HEAD},\"reqIdentifier\":\"1001\"}}"),
        format!("{{{HEAD},\"msgIncr\":2147483648}}"),
        format!("{{{HEAD},\"msgIncr\":true}}"),
        format!("{{{HEAD},\"token\":5}}"),
        format!("{{{HEAD},\"sendID\":{{}}}}"),
        format!("{{{HEAD},\"data\":[]}}"),
        format!("{{{HEAD},\"data\":\"{{}}\"}}"),
        format!("{{{HEAD},\"data\":7}}"),
        format!("{{{HEAD},\"data\":true}}"),
        format!("{{{HEAD},\"data\":{{\"a\":}}}}"),
        // A later sound value does not repair a wrong one.
        format!("{{\"msgIncr\":\"x\",{HEAD}}}"),
    ];
    for frame in cases {
        assert_eq!(envelope_code(&frame), 200, "{frame}");
    }
}

#[test]
fn incomplete_envelopes_get_201() {
    let cases = [
        "{}".to_owned(),
        "null".to_owned(),
        format!("{{{HEAD},\"msgIncr\":0}}"),
        format!("{{{HEAD},\"reqIdentifier\":0}}"),
        format!("{{{HEAD},\"token\":\"\"}}"),
        format!("{{{HEAD},\"sendID\":\"\"}}"),
        format!("{{{HEAD},\"operationID\":\"\"}}"),
        r#"{"reqIdentifier":1001,"token":"t","sendID":"a","operationID":"o"}"#.to_owned(),
        r#"{"reqIdentifier":1001,"token":null,"sendID":"a","operationID":"o","msgIncr":1}"#
            .to_owned(),
    ];
    for frame in cases {
        assert_eq!(envelope_code(&frame), 201, "{frame}");
    }
    let error = decode(b"{\"reqIdentifier\":1001}").expect_err("fields are missing");
    assert_eq!(error.text.lines().count(), 4, "one line per field: {}", error.text);
}

#[test]
fn refused_frames_keep_what_could_be_read() {
    let cases: [(&str, Option<i32>, Option<i32>); 5] = [
        (r#"{"reqIdentifier":1003,"msgIncr":7}"#, Some(1003), Some(7)),
        (r#"{"reqIdentifier":1003,"msgIncr":7,"data":[]}"#, Some(1003), Some(7)),
        (r#"{"reqIdentifier":1003,"msgIncr":7,"data":{"#, Some(1003), Some(7)),
        (r#"{"reqIdentifier":1003,"msgIncr":0}"#, Some(1003), None),
        ("{", None, None),
    ];
    for (frame, req_identifier, msg_incr) in cases {
        let error = decode(frame.as_bytes()).expect_err("the frame is no request");
        assert_eq!((error.req_identifier, error.msg_incr), (req_identifier, msg_incr), "{frame}");
    }
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        assert_eq!(envelope_code(&deep), 200);
        assert_eq!(envelope_code(&format!("{{{HEAD},\"x\":{deep}}}")), 200);
        assert_eq!(envelope_code(&framed(&format!("{{\"a\":{deep}}}"))), 200);
        let shallow = open.repeat(100) + "1" + &close.repeat(100);
        assert_eq!(envelope_code(&framed(&format!("{{\"a\":{shallow}}}"))), 0);
    }
}

#[test]
fn pull_ranges() {
    let accepted = [
        (r#"{"seqBegin":3,"seqEnd":5}"#, 3, 5),
        (r#"{"seqBegin":0,"seqEnd":0}"#, 0, 0),
        (r#"{"seqBegin":-1,"seqEnd":9223372036854775807}"#, -1, i64::MAX),
        (r#"{"seqBegin":"3","seqEnd":"-5"}"#, 3, -5),
        (r#"{"SeqBegin":3,"SEQEND":5}"#, 3, 5),
        (r#"{"seqBegin":3,"SEQBEGIN":9,"seqEnd":5}"#, 3, 5),
        (r#"{"SEQBEGIN":9,"seqBegin":3,"seqEnd":1,"seqEnd":5,"x":[]}"#, 3, 5),
        (r#"{"SEQBEGIN":[],"seqBegin":3,"seqEnd":5}"#, 3, 5),
    ];
    for (data, begin, end) in accepted {
        assert_eq!(pull(data), Ok(PullRange { begin, end }), "{data}");
    }
    let refused = [
        ("{}", 204),
        ("null", 204),
        (r#"{"seqBegin":1}"#, 204),
        (r#"{"seqEnd":1}"#, 204),
        (r#"{"seqBegin":null,"seqEnd":1}"#, 204),
        (r#"{"seqBegin":1,"seqEnd":9223372036854775808}"#, 203),
        (r#"{"seqBegin":"x","seqEnd":1}"#, 203),
        (r#"{"seqBegin":"","seqEnd":1}"#, 203),
        (r#"{"seqBegin":1.5,"seqEnd":1}"#, 203),
        (r#"{"seqBegin":[1],"seqEnd":1}"#, 203),
        (r#"{"seqBegin":true}"#, 203),
    ];
    for (data, code) in refused {
        assert_eq!(pull(data).expect_err(data).code.number(), code, "{data}");
    }
    assert_eq!(decode_pull(None).expect_err("no data").code, ErrCode::DataMissing);
}

#[test]
fn a_send_gives_its_fields() {
    let frame = framed(&send_data(&[
        ("forceList", r#"["bob","c\u00e9"]"#),
        ("content", r#""{\"a\":1}""#),
        ("offlineInfo", r#"{"title": "x"}"#),
        ("ext", "{}"),
    ]));
    let got = decode_send(envelope(&frame).data).expect("the body is sound");
    let expected = SendBody {
        platform_id: 1,
        session_type: 1,
        msg_from: 100,
        content_type: 101,
        recv_id: "bob".into(),
        force_list: vec!["bob".into(), "cé".into()],
        content: "{\"a\":1}".into(),
        switches: Switches::default(),
        client_msg_id: "6f1c0e".into(),
        offline_info: r#"{"title": "x"}"#.into(),
        sender_nick_name: "".into(),
        sender_face_url: "".into(),
    };
    assert_eq!(got, expected);
}

#[test]
fn sends_that_are_accepted() {
    let cases: [&[(&str, &str)]; 7] = [
        &[],
        &[("platformID", r#""6""#), ("contentType", r#""-3""#)],
        &[("sessionType", "2"), ("recvID", r#""group with spaces""#)],
        &[("sessionType", "7")],
        &[("ext", "null"), ("senderNickName", "null")],
        &[("RECVID", r#""someone else""#), ("CONTENT", "[]")],
        &[("recvID", ""), ("RecvId", r#""bob""#)],
    ];
    for changes in cases {
        assert_eq!(send_code(&send_data(changes)), 0, "{changes:?}");
    }
}

#[test]
fn sends_with_missing_values_get_204() {
    for (key, _) in BODY {
        assert_eq!(send_code(&send_data(&[(key, "")])), 204, "without {key}");
        assert_eq!(send_code(&send_data(&[(key, "null")])), 204, "{key} null");
    }
    for key in ["platformID", "sessionType", "msgFrom", "contentType"] {
        assert_eq!(send_code(&send_data(&[(key, "0")])), 204, "{key} 0");
    }
    for key in ["recvID", "content", "clientMsgID"] {
        assert_eq!(send_code(&send_data(&[(key, "\"\"")])), 204, "{key} empty");
    }
    let long = format!("\"{}\"", "x".repeat(65));
    for uid in ["\"a b\"", "\" \"", "\"a\\n\"", "\"a\u{3000}b\"", "\"a\\u0000\"", &long] {
        assert_eq!(send_code(&send_data(&[("recvID", uid)])), 204, "{uid}");
    }
    assert_eq!(decode_send(None).expect_err("no data").code, ErrCode::DataMissing);
    assert_eq!(send_code("{}"), 204);
    // An exact key counts even where another spelling would have done.
    assert_eq!(send_code(&send_data(&[("Content", "\"x\""), ("content", "null")])), 204);
}

#[test]
fn sends_with_wrong_types_get_203() {
    for key in ["platformID", "sessionType", "msgFrom", "contentType"] {
        for value in [
            "2147483648",
            "-2147483649",
            "99999999999999999999",
            "\"x\"",
            "\"\"",
            "1.5",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(send_code(&send_data(&[(key, value)])), 203, "{key} {value}");
        }
    }
    for key in ["recvID", "content", "clientMsgID", "senderNickName", "senderFaceUrl"] {
        for value in ["1", "true", "[]", "{}"] {
            assert_eq!(send_code(&send_data(&[(key, value)])), 203, "{key} {value}");
        }
    }
    for key in ["options", "offlineInfo", "ext"] {
        for value in ["1", "\"{}\"", "[]", "false"] {
            assert_eq!(send_code(&send_data(&[(key, value)])), 203, "{key} {value}");
        }
    }
    for value in ["\"a\"", "{}", "1", "[1]", "[[]]", "[null]"] {
        assert_eq!(send_code(&send_data(&[("forceList", value)])), 203, "forceList {value}");
    }
    // Types are looked at before required values.
    assert_eq!(send_code(&send_data(&[("content", ""), ("msgFrom", "{}")])), 203);
}

#[test]
fn a_switch_is_on_when_absent_or_1() {
    assert_eq!(
        switches("{}"),
        Switches {
            history: true,
            persistent: true,
            sender_sync: true,
            offline_push: true,
            unwanted: false
        }
    );
    assert_eq!(switches(r#"{"history":1,"other":{}}"#), Switches::default());
    for value in ["0", "2", "-1", "1.0", "true", "\"1\"", "null", "[1]", "{}"] {
        let got = switches(&format!("{{\"history\":{value}}}"));
        assert_eq!(got, Switches { history: false, ..Switches::default() }, "{value}");
    }
    let got =
        switches(r#"{"history":0,"persistent":0,"senderSync":0,"offlinePush":0,"history":1}"#);
    assert_eq!(
        got,
        Switches {
            history: true,
            persistent: false,
            sender_sync: false,
            offline_push: false,
            unwanted: false
        }
    );
    // Unlike the keys around it, these are matched as they are written.
    assert_eq!(switches(r#"{"History":0}"#), Switches::default());
}

#[test]
fn switches_survive_their_bits() {
    for bits in 0..16 {
        assert_eq!(Switches::from_bits(bits).to_bits(), bits);
    }
    assert_eq!(Switches::default().to_bits(), 15);
}

#[test]
fn uids() {
    let long = "é".repeat(64);
    for uid in ["a", "alice@example.com", "用户", "\u{1f600}", "-._", &long] {
        assert!(valid_uid(uid), "{uid}");
    }
    let too_long = "é".repeat(65);
    for uid in [
        "",
        " ",
        "a b",
        "a\t",
        "a\u{a0}b",
        "a\u{0}",
        "a\u{7f}",
        "a\u{85}",
        &too_long,
        &"a".repeat(65),
    ] {
        assert!(!valid_uid(uid), "{uid:?}");
    }
}

#[test]
fn no_prefix_or_flipped_byte_of_a_frame_panics() {
    let frame = framed(&send_data(&[("content", r#""\ud83d\ude00 caf\u00e9""#)])).into_bytes();
    for at in 0..frame.len() {
        assert!(decode(&frame[..at]).is_err());
        for byte in [0u8, b'"', b'\\', b'{', b'}', b'9', 0xff] {
            let mut flipped = frame.clone();
            flipped[at] = byte;
            if let Ok(envelope) = decode(&flipped) {
                let _ignored = (decode_send(envelope.data.clone()), decode_pull(envelope.data));
            }
        }
    }
}
