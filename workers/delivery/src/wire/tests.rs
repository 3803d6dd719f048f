//! What is written is read, whatever is not is garbage, and the bytes never change: the other side may be of another
//! build.

use std::sync::Arc;

use openim_record::{MessageKey, PartitionId, Place, Position, Process, Seq, Settled, UserId};
use openim_transfer::Delivery;

use super::*;
use crate::Told;

const FRONT: Process = Process([7; 16]);

fn body(bytes: &[u8]) -> Arc<[u8]> {
    bytes.into()
}

fn delivery(uid: &str, message: &Arc<[u8]>) -> Delivery {
    Delivery {
        uid: UserId::new(uid),
        seq: Seq(0x1122),
        sync: false,
        member: None,
        except_platform: 0,
        sent_ms: -2,
        message: Arc::clone(message),
    }
}

fn settled() -> Settled {
    let place = Place { partition: PartitionId(63), position: Position(9) };
    Settled { key: MessageKey(0x0102), place, first_ns: 5 }
}

/// One of each kind of everything; two parts share a body.
fn all() -> Vec<(Process, Told)> {
    let (one, two) = (body(b"msg"), body(b""));
    let own = Delivery { sync: true, except_platform: 5, ..delivery("bob", &one) };
    let member = Delivery { member: Some(false), ..delivery("用户", &two) };
    let emphasised = Delivery { member: Some(true), ..delivery("bob", &one) };
    vec![
        (FRONT, Told::Deliver(vec![own, member])),
        (FRONT, Told::Settle(vec![settled()])),
        (Process([8; 16]), Told::Deliver(vec![emphasised])),
    ]
}

fn write(parts: &[(Process, Told)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (front, told) in parts {
        assert_eq!(writer.part(*front, told, 0), told.len());
    }
    writer.finish().bytes
}

#[test]
fn what_is_written_is_read_and_shared_bodies_are_one() {
    let read = read(&write(&all())).unwrap();
    assert_eq!(read, all());
    let (Told::Deliver(first), Told::Deliver(last)) = (&read[0].1, &read[2].1) else {
        panic!("other kinds: {read:?}");
    };
    assert!(Arc::ptr_eq(&first[0].message, &last[0].message), "one body for both");
    assert_eq!(read.len(), 3);
    assert_eq!(super::read(&[]), Ok(Vec::new()));
}

#[test]
fn the_bytes_never_change() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&hello()), "4f494d440100");
    let sent = "2211000000000000feffffffffffffff";
    let golden = [
        "07070707070707070707070707070707".to_owned(),
        "0102000000".to_owned(),
        format!("0105{sent}0300626f6200000000030000006d7367"),
        format!("0200{sent}0600e794a8e688b70100000000000000"),
        "07070707070707070707070707070707".to_owned(),
        "0201000000".to_owned(),
        "020100000000000000000000000000003f0009000000000000000500000000000000".to_owned(),
        "08080808080808080808080808080808".to_owned(),
        "0101000000".to_owned(),
        format!("0600{sent}0300626f6200000000"),
    ];
    assert_eq!(hex(&write(&all())), golden.concat());
}

#[test]
fn the_smallest_items_have_the_sizes_that_are_reckoned_with() {
    let message = body(b"m");
    let once = write(&[(FRONT, Told::Deliver(vec![delivery("", &message)]))]).len();
    let twice = Told::Deliver(vec![delivery("", &message), delivery("", &message)]);
    assert_eq!(once, PART_BYTES + DELIVERY_BYTES_MIN + 4 + 1);
    assert_eq!(write(&[(FRONT, twice)]).len(), once + DELIVERY_BYTES_MIN);
    let settle = write(&[(FRONT, Told::Settle(vec![settled()]))]);
    assert_eq!(settle.len(), PART_BYTES + SETTLED_BYTES);
}

#[test]
fn a_cut_batch_is_garbage_or_ends_behind_a_part() {
    let bytes = write(&all());
    let whole: Vec<usize> = (0..=bytes.len()).filter(|len| read(&bytes[..*len]).is_ok()).collect();
    assert_eq!(whole.len(), 4, "before and behind each part: {whole:?}");
}

#[test]
fn bytes_that_are_changed_never_panic() {
    let bytes = write(&all());
    for at in 0..bytes.len() {
        for flip in [1, 2, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            drop(read(&bytes));
        }
    }
}

#[test]
fn bytes_of_chance_never_panic_and_make_no_more_than_they_could() {
    let whole = write(&all());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=chance() % 6 {
            let at = chance() % bytes.len();
            match chance() % 3 {
                0 => bytes[at] = chance() as u8,
                1 => drop(bytes.drain(at..(at + chance() % 9).min(bytes.len()))),
                _ => bytes.insert(at, chance() as u8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let items = read(&bytes).map(|parts| parts.iter().map(|(_, told)| told.len()).sum());
        assert!(items.unwrap_or(0) <= bytes.len() / DELIVERY_BYTES_MIN);
    }
}

#[test]
fn what_claims_more_than_there_is_takes_no_memory() {
    for kind in [KIND_DELIVER, KIND_SETTLE, 0, 3] {
        let mut bytes = FRONT.0.to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend_from_slice(&[0; 100]);
        assert!(read(&bytes).is_err(), "{kind}");
    }
    // A part of nothing is none: its number of parts would be bounded by nothing but their heads.
    let mut empty = FRONT.0.to_vec();
    empty.extend_from_slice(&[KIND_DELIVER, 0, 0, 0, 0]);
    assert!(read(&empty).is_err());
}

#[test]
fn a_body_that_was_not_there_is_garbage() {
    let mut bytes = write(&[(FRONT, Told::Deliver(vec![delivery("a", &body(b"m"))]))]);
    let number = bytes.len() - 1 - 4 - 4;
    bytes[number] = 1;
    assert!(read(&bytes).is_err());
}

#[test]
fn a_batch_ends_where_it_is_full_and_goes_on_in_the_next() {
    let large: Vec<Delivery> = (0..30).map(|_| delivery("a", &body(&vec![1; 100_000]))).collect();
    let told = Told::Deliver(large);
    let (mut from, mut batches) = (0, 0);
    while from < told.len() {
        let mut writer = Writer::default();
        from += writer.part(FRONT, &told, from);
        let bytes = writer.finish().bytes;
        assert!(bytes.len() <= BATCH_BYTES_MAX);
        assert!(read(&bytes).is_ok());
        batches += 1;
    }
    assert_eq!(batches, 3);
    // One that is too large for any batch is one by itself, and nothing is behind it.
    let alone = Told::Deliver(vec![delivery("a", &body(&vec![1; BATCH_BYTES_MAX]))]);
    let mut writer = Writer::default();
    assert_eq!(writer.part(FRONT, &alone, 0), 1);
    assert_eq!(writer.part(FRONT, &Told::Settle(vec![settled()]), 0), 0);
    assert!(writer.finish().bytes.len() <= largest(&alone));
}

#[test]
fn a_body_costs_once() {
    let message = body(&[1; 1000]);
    let apart = Told::Deliver(vec![delivery("a", &message), delivery("b", &body(&[1; 1000]))]);
    let shared = Told::Deliver(vec![delivery("a", &message), delivery("b", &message)]);
    assert_eq!(cost(&apart) - cost(&shared), 1000);
}

#[test]
fn strangers_are_told_from_other_builds() {
    assert_eq!(greeted(&hello()), Ok(()));
    assert_eq!(greeted(b"OIMD\x01\x00more"), Ok(()));
    assert_eq!(greeted(b"OIMD\x02\x00"), Err(Stranger::Version { theirs: 2 }));
    for none in [&b""[..], b"OIMD", b"OIMD\x01", b"GET / HTTP"] {
        assert_eq!(greeted(none), Err(Stranger::Unknown));
    }
    let words = Stranger::Version { theirs: 2 }.to_string();
    assert!(words.contains("version 1") && words.contains("version 2"), "{words}");
}
