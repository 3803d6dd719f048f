//! Every field comes back, every cut is an error, and the bytes never change: they lie in topics that
//! another build reads.

use openim_record::MessageKey;

use super::*;

const ORIGIN: Process = Process([7; 16]);

fn source() -> Source {
    let of = LogPartition { topic: Topic::Group, partition: PartitionId(63) };
    Source { of, position: Position(0x1122) }
}

/// One of each, by name.
fn all() -> Vec<(&'static str, Box<[u8]>)> {
    let members = [("alice", false), ("用户", true)].into_iter();
    let notice = Notice { uid: "bob", seq: Seq(9), message: b"msg", platforms: 0b10_0000 };
    vec![
        ("send", Sent::encode(ORIGIN, b"msg")),
        (
            "send to a group",
            Sent::encode_to_group(ORIGIN, &["bob"], &["carol", "dan"], true, b"msg"),
        ),
        ("relay", Relayed::encode(source(), -2, ORIGIN, members, b"msg")),
        (
            "group changed",
            GroupChanged::encode("g1", 5, &[("alice", Role::Administrator)], &["bob"]),
        ),
        ("notice", notice.encode()),
    ]
}

#[test]
fn what_is_written_is_read() {
    let records = all();
    let read: Vec<_> =
        records.iter().map(|(_, bytes)| TopicRecord::decode(bytes).unwrap()).collect();
    let [
        TopicRecord::Send(single),
        TopicRecord::Send(group),
        TopicRecord::Relay(relay),
        TopicRecord::GroupChanged(changed),
        TopicRecord::Notice(notice),
    ] = read[..]
    else {
        panic!("other kinds: {read:?}");
    };
    assert_eq!((single.origin, single.group, single.message), (ORIGIN, None, &b"msg"[..]));
    let to_group = group.group.unwrap();
    assert_eq!(to_group.emphasised.iter().collect::<Vec<_>>(), ["bob"]);
    assert_eq!(to_group.extra.iter().collect::<Vec<_>>(), ["carol", "dan"]);
    assert!(to_group.trusted && group.message == b"msg" && group.origin == ORIGIN);
    assert_eq!((relay.source, relay.sent_ms, relay.origin), (source(), -2, ORIGIN));
    assert_eq!(relay.members.iter().collect::<Vec<_>>(), [("alice", false), ("用户", true)]);
    assert_eq!((relay.members.len(), relay.message), (2, &b"msg"[..]));
    assert_eq!((changed.group, changed.version), ("g1", 5));
    assert_eq!(changed.joined.iter().collect::<Vec<_>>(), [("alice", Role::Administrator)]);
    assert_eq!(changed.left.iter().collect::<Vec<_>>(), ["bob"]);
    assert_eq!((notice.uid, notice.seq, notice.platforms), ("bob", Seq(9), 0b10_0000));
}

#[test]
fn every_cut_and_every_longer_one_is_damaged() {
    for (name, bytes) in all() {
        for len in 0..bytes.len() {
            assert_eq!(
                TopicRecord::decode(&bytes[..len]),
                Err(Unreadable::Damaged),
                "{name}: {len}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(TopicRecord::decode(&longer), Err(Unreadable::Damaged), "{name}");
    }
}

#[test]
fn a_flipped_byte_never_panics() {
    for (_, bytes) in all() {
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                if let Ok(TopicRecord::Relay(relay)) = TopicRecord::decode(&bytes) {
                    assert_eq!(relay.members.iter().count(), relay.members.len());
                }
            }
        }
    }
}

#[test]
fn a_later_build_is_told_from_damage() {
    assert_eq!(TopicRecord::decode(&[1, 5, 0]), Err(Unreadable::Newer { version: 1, kind: 5 }));
    assert_eq!(TopicRecord::decode(&[2, 1, 0]), Err(Unreadable::Newer { version: 2, kind: 1 }));
    for bytes in [&b"{\"a\":1}"[..], &[0, 1], &[1], &[]] {
        assert_eq!(TopicRecord::decode(bytes), Err(Unreadable::Damaged));
    }
}

#[test]
fn a_message_has_the_time_of_its_source() {
    let of = Message {
        key: MessageKey::new("alice", 1, "bob", "m1"),
        send_time_ns: 0,
        switches: openim_record::Switches::ON,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        send_id: "alice",
        recv_id: "bob",
        client_msg_id: "m1",
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: "hi",
    };
    let mut bytes = Vec::new();
    of.encode(&mut bytes);
    assert_eq!(message(&bytes, 3), Ok(Message { send_time_ns: 3_000_000, ..of }));
    assert_eq!(message(&bytes[..9], 3), Err(Unreadable::Damaged));
    bytes[0] = 9;
    assert_eq!(message(&bytes, 3), Err(Unreadable::Newer { version: 1, kind: 9 }));
}

#[test]
fn the_bytes_never_change() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let origin = "07070707070707070707070707070707";
    let msg = "030000006d7367";
    let golden = [
        format!("0101{origin}00{msg}"),
        format!("0101{origin}02010000000300626f620200000005006361726f6c030064616e{msg}"),
        format!(
            "0102023f002211000000000000feffffffffffffff{origin}020000000500616c6963650680e794a8e688b7{msg}"
        ),
        "010302006731050000000000000001000000020500616c696365010000000300626f62".to_owned(),
        format!("01040300626f620900000000000000{msg}20"),
    ];
    for ((name, bytes), golden) in all().iter().zip(golden) {
        assert_eq!(hex(bytes), golden, "{name}");
    }
}

#[test]
fn what_is_made_of_a_send_is_longer_by_no_more_than_is_said() {
    let message = vec![7; 500];
    for members in [0, 1, 1_000] {
        let ids: Vec<String> = (0..=members).map(|n| format!("{n:0>256}")).collect();
        let all = ids.iter().map(|id| (id.as_str(), true));
        let relay = Relayed::encode(source(), 1, ORIGIN, all, &message);
        let send = Sent::encode_to_group(ORIGIN, &[], &[], false, &message);
        assert!(relay.len() <= send.len() + longer_by(members), "{members}");
        let notice = Notice { uid: &ids[0], seq: Seq(9), message: &message, platforms: 1 };
        assert!(notice.encode().len() <= send.len() + longer_by(members));
    }
}
