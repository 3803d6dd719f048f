//! Each kind of fault, seeded and found; a clean run found clean.

use super::*;

fn ledger_with(sent: u64) -> Ledger {
    let mut ledger = Ledger::new(true);
    for number in 0..sent {
        assert_eq!(ledger.send(number * 10), number);
    }
    ledger
}

fn acked(sent: u64) -> Ledger {
    let mut ledger = ledger_with(sent);
    for number in 0..sent {
        ledger.ack(number, 100 + number);
    }
    ledger
}

#[test]
fn a_clean_run_is_clean_and_leaves_nothing_behind() {
    let mut ledger = ledger_with(3);
    assert_eq!(ledger.push(0, 100), Some(0), "a push may overtake its acknowledgement");
    for number in 0..3 {
        assert_eq!(ledger.ack(number, 100 + number), Some(number * 10));
    }
    assert_eq!(ledger.waiting(), 0);
    assert!(!ledger.is_settled());
    ledger.push(1, 101);
    ledger.push(2, 102);
    assert!(ledger.is_settled());
    let tally = ledger.close();
    assert_eq!((tally.sent, tally.acked, tally.delivered), (3, 3, 3));
    assert!(tally.faults.is_clean());
}

#[test]
fn a_missing_push_is_lost() {
    let mut ledger = acked(3);
    ledger.push(0, 100);
    ledger.push(2, 102);
    let tally = ledger.close();
    assert_eq!(tally.faults, Faults { lost: 1, ..Faults::default() });
    assert_eq!(tally.delivered, 2);
}

#[test]
fn a_second_push_is_doubled_also_after_the_message_settled() {
    let mut ledger = acked(2);
    ledger.push(0, 100);
    assert_eq!(ledger.push(0, 100), None);
    ledger.push(1, 101);
    ledger.push(1, 101);
    assert_eq!(ledger.close().faults, Faults { doubled: 2, ..Faults::default() });
}

#[test]
fn an_overtaken_push_is_reordered_and_not_lost() {
    let mut ledger = acked(3);
    ledger.push(1, 101);
    ledger.push(0, 100);
    ledger.push(2, 102);
    let tally = ledger.close();
    assert_eq!(tally.faults, Faults { reordered: 1, ..Faults::default() });
    assert_eq!(tally.delivered, 3);
}

#[test]
fn another_id_in_push_and_acknowledgement_is_found_in_either_order() {
    let mut ledger = ledger_with(2);
    ledger.ack(0, 1);
    ledger.push(0, 2);
    ledger.push(1, 3);
    ledger.ack(1, 4);
    assert_eq!(ledger.close().faults.mismatched, 2);
}

#[test]
fn refused_unanswered_stray_and_invented_are_told_apart() {
    let mut ledger = ledger_with(3);
    ledger.refuse(0);
    ledger.ack(1, 101);
    ledger.ack(1, 101);
    ledger.push(1, 101);
    ledger.push(9, 1);
    assert_eq!(ledger.unanswered().collect::<Vec<_>>(), [2]);
    let faults = ledger.close().faults;
    let expected =
        Faults { refused: 1, unanswered: 1, stray_acks: 1, invented: 1, ..Faults::default() };
    assert_eq!(faults, expected);
}

#[test]
fn memory_stays_bounded_when_nothing_is_delivered() {
    let mut ledger = Ledger::new(true);
    let sent = UNSETTLED_MAX as u64 + 10;
    for number in 0..sent {
        ledger.send(0);
        ledger.ack(number, 1);
    }
    assert_eq!(ledger.slots.len(), UNSETTLED_MAX);
    assert_eq!(ledger.push(3, 1), None, "given up before");
    let tally = ledger.close();
    assert_eq!(tally.faults.lost, sent - 1);
    assert_eq!(tally.faults.reordered, 1);
}

#[test]
fn short_numbers_are_widened_around_what_is_unsettled() {
    let mut ledger = ledger_with(0);
    ledger.base = (1 << 31) - 1;
    let mask = (1u32 << 31) - 1;
    assert_eq!(ledger.widen(mask, mask), (1 << 31) - 1);
    assert_eq!(ledger.widen(0, mask), 1 << 31);
    assert_eq!(ledger.widen(5, mask), (1 << 31) + 5);
}

#[test]
fn without_pushes_an_answer_settles() {
    let mut ledger = Ledger::new(false);
    ledger.send(0);
    ledger.ack(0, 5);
    assert!(ledger.is_settled());
    assert!(ledger.close().faults.is_clean());
}

fn judged(numbers: &[(u64, u64)], ledger: &Ledger) -> StoredVerdict {
    let mut stored = StoredFlow::default();
    for &(number, id) in numbers {
        stored.see(number, id, ledger);
    }
    stored.judge(ledger)
}

#[test]
fn an_inbox_with_every_acknowledged_message_is_clean() {
    let mut ledger = acked(3);
    ledger.close();
    let verdict = judged(&[(0, 100), (1, 101), (2, 102)], &ledger);
    assert!(verdict.faults.is_clean());
    assert_eq!(verdict.stored, 3);
}

#[test]
fn an_inbox_shows_lost_doubled_reordered_and_altered_ids() {
    let mut ledger = acked(4);
    ledger.close();
    assert_eq!(judged(&[(0, 100), (1, 101), (3, 103)], &ledger).faults.lost, 1);
    assert_eq!(judged(&[(0, 100), (1, 101)], &ledger).faults.lost, 2, "at the end too");
    let doubled = judged(&[(0, 100), (1, 101), (1, 101), (2, 102), (3, 103)], &ledger);
    assert_eq!(doubled.faults, StoredFaults { doubled: 1, ..StoredFaults::default() });
    let reordered = judged(&[(1, 101), (0, 100), (2, 102), (3, 103)], &ledger);
    assert_eq!(reordered.faults, StoredFaults { reordered: 1, ..StoredFaults::default() });
    let altered = judged(&[(0, 100), (1, 999), (2, 102), (3, 103)], &ledger);
    assert_eq!(altered.faults, StoredFaults { mismatched_flows: 1, ..StoredFaults::default() });
}

#[test]
fn what_was_never_acknowledged_may_be_stored_or_not() {
    let mut ledger = ledger_with(3);
    ledger.ack(0, 100);
    ledger.ack(2, 102);
    ledger.close();
    let without = judged(&[(0, 100), (2, 102)], &ledger);
    assert!(without.faults.is_clean());
    let with = judged(&[(0, 100), (1, 55), (2, 102)], &ledger);
    assert!(with.faults.is_clean());
    assert_eq!(with.in_doubt_stored, 1);
}
