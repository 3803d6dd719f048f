//! Sends on their way: answered once, remembered until they are settled, bounded.

use openim_record::{PartitionId, Position, Switches};

use super::*;

const KEY: MessageKey = MessageKey(1);
const PLACE: Place = Place { partition: PartitionId(3), position: Position(7) };

fn message(key: MessageKey) -> Message<'static> {
    Message {
        key,
        send_time_ns: 5,
        switches: Switches::ON,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        send_id: "ann",
        recv_id: "bob",
        client_msg_id: "m",
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: "",
    }
}

fn link(index: u32) -> Origin {
    Origin::Link { id: LinkId { index, generation: 1 }, msg_incr: 1 }
}

fn land(pending: &mut Pending, key: MessageKey, place: Place, now_ms: u64) -> Option<Answered> {
    let answered = pending.land(&message(key), place, 5, now_ms, 2);
    pending.check_invariants();
    answered
}

/// The origin of the next send whose time is up.
fn expired(pending: &mut Pending, now_ms: u64) -> Option<Origin> {
    match pending.expire(now_ms)? {
        Due::Answer(answered) => answered.origin,
        other => panic!("{other:?}"),
    }
}

fn ended(pending: &mut Pending, key: MessageKey) -> Option<Origin> {
    pending.end(key)?.origin
}

#[test]
fn an_origin_is_answered_once() {
    let mut pending = Pending::default();
    pending.insert(KEY, Origin::Call(1), 0, 10);
    assert_eq!(expired(&mut pending, 9), None);
    assert_eq!(expired(&mut pending, 10), Some(Origin::Call(1)));
    assert!(pending.overdue());
    assert_eq!(pending.standing(KEY), Standing::Late);
    assert!(pending.expire(99).is_none());
    assert_eq!(ended(&mut pending, KEY), None);
    assert!(!pending.overdue());
    assert!(pending.end(KEY).is_none());
}

#[test]
fn a_refused_and_repeated_send_gets_its_whole_time() {
    let mut pending = Pending::default();
    pending.insert(MessageKey(0), Origin::Call(0), 0, 5);
    pending.insert(KEY, Origin::Call(1), 0, 10);
    pending.end(KEY);
    pending.insert(KEY, Origin::Call(2), 0, 20);
    assert_eq!(expired(&mut pending, 10), Some(Origin::Call(0)));
    assert_eq!(expired(&mut pending, 10), None);
    assert_eq!(expired(&mut pending, 20), Some(Origin::Call(2)));
}

#[test]
fn a_deadline_left_over_does_not_answer_out_of_turn() {
    let mut pending = Pending::default();
    pending.insert(MessageKey(0), Origin::Call(0), 0, 10);
    pending.insert(KEY, Origin::Call(1), 0, 10);
    pending.end(KEY);
    pending.insert(MessageKey(2), Origin::Call(2), 0, 10);
    pending.insert(KEY, Origin::Call(3), 0, 10);
    let order: Vec<_> = std::iter::from_fn(|| expired(&mut pending, 10)).collect();
    assert_eq!(order, [0, 2, 3].map(Origin::Call));
}

#[test]
fn what_is_durable_is_answered_and_remembered_until_it_is_settled() {
    let mut pending = Pending::default();
    pending.insert(KEY, link(4), 0, 10);
    let answered = land(&mut pending, KEY, PLACE, 2).unwrap();
    assert_eq!((answered.origin, answered.after), (Some(link(4)), After::Unsettled));
    assert_eq!(pending.standing(KEY), Standing::Landed(5), "a repeat gets the same receipt");
    assert!(land(&mut pending, KEY, PLACE, 2).is_none(), "once");
    assert!(pending.expire(10).is_none(), "the log owes nothing");
    let older = Place { position: Position(1), ..PLACE };
    assert!(pending.settle(KEY, older).is_none(), "an older record says nothing of it");
    assert_eq!(pending.join(KEY, LinkId { index: 9, generation: 1 }), Some(false));
    let waited = pending.settle(KEY, PLACE).unwrap();
    assert_eq!(waited.links().map(|link| link.index).collect::<Vec<_>>(), [4, 9]);
    assert_eq!((pending.standing(KEY), pending.len()), (Standing::Free, 0));
}

#[test]
fn what_is_settled_first_is_over_when_it_lands() {
    let mut pending = Pending::default();
    pending.insert(KEY, link(4), 0, 10);
    assert!(pending.settle(KEY, PLACE).is_none());
    let answered = land(&mut pending, KEY, PLACE, 2).unwrap();
    assert_eq!((answered.origin, answered.after), (Some(link(4)), After::Over));
    assert_eq!(pending.len(), 0);
}

#[test]
fn a_call_is_answered_when_its_send_is_settled_or_has_waited_long_enough() {
    for settled in [false, true] {
        let mut pending = Pending::default();
        pending.insert(KEY, Origin::Call(8), 0, 10);
        assert_eq!(land(&mut pending, KEY, PLACE, 2).unwrap().origin, None);
        let call = match settled {
            true => pending.settle(KEY, PLACE).and_then(|waits| waits.call).unwrap(),
            false => {
                assert!(pending.expire(CALL_MS + 1).is_none());
                match pending.expire(CALL_MS + 2) {
                    Some(Due::Settlement(Unsettled { call: Some(call), .. }, KEY, 5)) => call,
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!((call.number, &*call.send_id, &*call.client_msg_id), (8, "ann", "m"));
        assert!(pending.expire(u64::MAX).is_none());
    }
}

#[test]
fn questions_are_told_when_they_have_waited_long_enough() {
    let mut pending = Pending::default();
    pending.insert(KEY, link(4), 0, 10);
    land(&mut pending, KEY, PLACE, 2);
    match pending.expire(SETTLE_MS + 2) {
        Some(Due::Settlement(waits, KEY, 5)) => {
            assert!(waits.links().eq([LinkId { index: 4, generation: 1 }]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pending.join(KEY, LinkId { index: 9, generation: 1 }), Some(true));
    assert!(pending.expire(u64::MAX).is_none(), "once");
    assert!(pending.settle(KEY, PLACE).is_some());
}

#[test]
fn what_was_late_and_is_durable_is_owed_by_nobody() {
    let mut pending = Pending::default();
    pending.insert(KEY, Origin::Call(1), 0, 10);
    assert_eq!(expired(&mut pending, 10), Some(Origin::Call(1)));
    assert_eq!(land(&mut pending, KEY, PLACE, 11).unwrap().origin, None);
    assert!(!pending.overdue());
    assert_eq!(pending.standing(KEY), Standing::Landed(5));
    let waits = pending.settle(KEY, PLACE).unwrap();
    assert_eq!((waits.links().count(), waits.call.is_some()), (0, false));
}

#[test]
fn only_so_many_that_are_not_settled_are_remembered() {
    let mut pending = Pending::default();
    for n in 0..3 {
        pending.insert(MessageKey(n), link(4), 0, 10);
    }
    pending.insert(MessageKey(3), Origin::Call(3), 0, 10);
    for n in 0..4_u32 {
        let place = Place { position: Position(n.into()), ..PLACE };
        let answered = land(&mut pending, MessageKey(n.into()), place, 2).unwrap();
        let origin = if n == 3 { Origin::Call(3) } else { link(4) };
        let after = if n < 2 { After::Unsettled } else { After::Forgotten };
        assert_eq!((answered.origin, answered.after), (Some(origin), after));
    }
    assert_eq!(pending.len(), 2);
}

#[test]
fn repeats_wait_within_a_bound() {
    let mut pending = Pending::default();
    pending.insert(KEY, Origin::Call(1), 0, 10);
    for index in 0..WAITERS_MAX {
        assert!(pending.wait(KEY, link(index as u32)));
    }
    assert!(!pending.wait(KEY, link(99)));
    assert!(!pending.wait(MessageKey(2), link(0)), "nothing to wait for");
    let repeats = LinkId { index: 1, generation: 1 };
    pending.insert(MessageKey(7), Origin::Call(7), 0, 10);
    assert_eq!(pending.join(MessageKey(7), repeats), None, "it is not durable");
    land(&mut pending, MessageKey(7), PLACE, 2);
    for _ in 0..WAITERS_MAX {
        assert_eq!(pending.join(MessageKey(7), repeats), Some(false));
    }
    assert_eq!(pending.join(MessageKey(7), repeats), None);
    let waiters = pending.end(KEY).and_then(|answered| answered.waiters).unwrap();
    assert_eq!((waiters.links.len(), waiters.calls), (WAITERS_MAX, false));
}

#[test]
fn deadlines_do_not_outlive_the_sends() {
    let mut pending = Pending::default();
    for n in 0..1000 {
        pending.insert(MessageKey(n), link(1), 0, 10);
        if n % 2 == 0 {
            land(&mut pending, MessageKey(n), PLACE, 0);
            pending.settle(MessageKey(n), PLACE);
        } else {
            pending.end(MessageKey(n));
        }
    }
    let left = (pending.len(), pending.answers.len(), pending.unsettled.len());
    assert_eq!(left, (0, 0, 0));
}
