//! What every log must do.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use super::Wait as _;
use super::logs::PARTITION;
use super::{Backend, Logs, Sites};
use crate::port::{Consumed, FALL_FOLLOWED_MS};

/// Seconds after which a record does not come any more.
const POLLS_MAX: usize = 60;

type Shown = Vec<(Position, i64, Vec<u8>)>;

/// Runs the suite of [`crate::port::Produce`] and [`crate::port::Consume`], one log's two ends.
///
/// # Panics
/// Where the contract is broken.
pub fn log(sites: Sites<'_>) {
    batches_are_shown_in_order_after_a_restart(sites);
    the_head_is_where_the_next_record_goes(sites);
    append_times_fall_with_a_clock_that_was_far_ahead_only(sites);
    replay_begins_anywhere_and_stops_when_told(sites);
    empty_and_large_records_survive(sites);
    an_empty_batch_changes_nothing(sites);
    partitions_are_assigned_before_anything_is_shown(sites);
    partitions_begin_each_by_itself(sites);
    what_was_applied_is_not_missed(sites);
}

/// Appends text records; returns their positions.
fn append(log: &mut Logs, records: &[&[u8]], now_ms: i64) -> Vec<Position> {
    place(log, records, now_ms).into_iter().map(|(position, _)| position).collect()
}

/// Appends text records; returns where each lies, and since when.
fn place(log: &mut Logs, records: &[&[u8]], now_ms: i64) -> Vec<(Position, i64)> {
    let placed = log.place(records, now_ms).expect("the batch is appended");
    assert_eq!(placed.len(), records.len(), "one position a record");
    assert!(placed.is_sorted_by(|a, b| a.0 < b.0), "positions grow strictly");
    assert!(placed.last().is_none_or(|last| last.0 < log.head()));
    placed
}

fn replay(log: &mut Logs, from: Position) -> Shown {
    let mut shown = Vec::new();
    let head = log.replay(from, &mut |replayed| {
        shown.push((replayed.position, replayed.append_ms, replayed.record.to_vec()));
        ControlFlow::Continue(())
    });
    assert_eq!(head.expect("the log can be replayed"), log.head());
    shown
}

fn batches_are_shown_in_order_after_a_restart(sites: Sites<'_>) {
    let mut site = sites();
    let mut expected: Shown = Vec::new();
    let given_times = !site.log_is_elsewhere();
    for round in 0..5_i64 {
        let Backend { mut log, .. } = site.open();
        assert_eq!(replay(&mut log, Position(0)), expected, "round {round}");
        for batch in 0..10_i64 {
            let now_ms = 1_000 + round * 100 + batch;
            let texts: Vec<String> = (0..=batch).map(|n| format!("{round}/{batch}/{n}")).collect();
            let records: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let placed = place(&mut log, &records, now_ms);
            assert!(!given_times || placed.iter().all(|(_, append_ms)| *append_ms == now_ms));
            let texts = placed.into_iter().zip(records);
            expected.extend(texts.map(|((position, ms), record)| (position, ms, record.to_vec())));
        }
        assert_eq!(replay(&mut log, Position(0)), expected, "round {round}");
    }
    assert!(expected.is_sorted_by(|a, b| a.0 < b.0), "positions grow over restarts");
    assert!(expected.is_sorted_by_key(|(_, append_ms, _)| *append_ms), "times do not fall");
}

fn the_head_is_where_the_next_record_goes(sites: Sites<'_>) {
    let mut site = sites();
    for _ in 0..3 {
        let Backend { mut log, .. } = site.open();
        for bytes in [0, 1, 3_000, 50_000, 7] {
            let head = log.head();
            let positions = append(&mut log, &[&vec![7; bytes]], 5);
            assert_eq!(positions, [head]);
        }
    }
}

fn append_times_fall_with_a_clock_that_was_far_ahead_only(sites: Sites<'_>) {
    let mut site = sites();
    if site.log_is_elsewhere() {
        return;
    }
    let mut times = Vec::new();
    // More is proof that the earlier time was wrong; and it has been forgotten after the next start.
    let (far, too_far) = (40 + FALL_FOLLOWED_MS, 41 + FALL_FOLLOWED_MS);
    for clocks in
        [[10, 30, 20], [5, 25, 31], [0, -9, 40], [far, 40, 41], [too_far, 40, 39], [0, 42, 41]]
    {
        let Backend { mut log, .. } = site.open();
        for now_ms in clocks {
            times.push(log.append(&[b"x"], now_ms, &mut Vec::new()).expect("appended"));
        }
    }
    let fallen = [far, far, far, too_far, 40, 40, 40, 42, 42];
    assert_eq!(times[..9], [10, 30, 30, 30, 30, 31, 31, 31, 40]);
    assert_eq!(times[9..], fallen);
    let shown = replay(&mut site.open().log, Position(0));
    assert_eq!(shown.iter().map(|(_, ms, _)| *ms).collect::<Vec<_>>(), times);
}

fn replay_begins_anywhere_and_stops_when_told(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, .. } = site.open();
    // None of the kinds that an engine has records of its own of.
    for n in 100..120_u8 {
        append(&mut log, &[&[n; 100], &[n; 10], &[n; 1]], i64::from(n));
    }
    let all = replay(&mut log, Position(0));
    assert_eq!(all.len(), 60);
    for (index, (position, ..)) in all.iter().enumerate() {
        assert_eq!(replay(&mut log, *position), all[index..]);
        assert_eq!(replay(&mut log, Position(position.0 + 1)), all[index + 1..]);
    }
    let head = log.head();
    assert!(replay(&mut log, head).is_empty());
    if !site.log_is_elsewhere() {
        assert!(replay(&mut log, Position(head.0 + 1_000_000)).is_empty());
    }
    let mut seen = 0;
    let told = log.replay(Position(0), &mut |_| {
        seen += 1;
        if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, told.expect("replayed")), (4, head));
    assert_eq!(replay(&mut log, all[4].0), all[4..], "going on where one stopped");
}

fn empty_and_large_records_survive(sites: Sites<'_>) {
    let mut site = sites();
    let large: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let batches: [&[&[u8]]; 4] = [&[b""], &[&large, b"", &large], &[b"small"], &[&large]];
    let mut log = site.open().log;
    for records in batches {
        append(&mut log, records, 1);
    }
    drop(log);
    let Backend { mut log, records, .. } = site.open();
    let shown = replay(&mut log, Position(0));
    let appended: Vec<&[u8]> = batches.concat();
    assert_eq!(shown.iter().map(|(.., record)| &record[..]).collect::<Vec<_>>(), appended);
    if site.log_is_elsewhere() {
        return;
    }
    let mut record = b"left over".to_vec();
    for (position, _, expected) in &shown {
        records.read(*position, &mut record).wait().expect("read");
        assert_eq!(&record, expected);
    }
}

fn an_empty_batch_changes_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, .. } = site.open();
    append(&mut log, &[b"one"], 50);
    let head = log.head();
    assert!(append(&mut log, &[], 60).is_empty());
    assert_eq!(log.head(), head);
    assert_eq!(replay(&mut log, Position(0)).len(), 1);
}

fn partitions_are_assigned_before_anything_is_shown(sites: Sites<'_>) {
    let mut site = sites();
    for round in 0..3 {
        let Backend { mut log, .. } = site.open();
        append(&mut log, &[b"one", b"two"], round);
        let assigned = log.assigned().expect("a log is asked");
        let all: BTreeSet<PartitionId> = assigned.iter().copied().collect();
        assert!(all.contains(&PARTITION) && all.len() == assigned.len(), "each once: {assigned:?}");
        assert!(log.assigned().expect("a log is asked").is_empty(), "nothing was begun");
    }
}

fn partitions_begin_each_by_itself(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, .. } = site.open();
    for n in 100..110_u8 {
        append(&mut log, &[&[n; 20]], i64::from(n));
    }
    let all = replay(&mut log, Position(0));
    drop(log);
    let Backend { mut log, .. } = site.open();
    let others = log.assigned().expect("a log is asked");
    let other = others.into_iter().find(|partition| *partition != PARTITION);
    // Another one is served already when this one comes.
    if let Some(other) = other {
        log.consume.begin(other, log.produce.head(other));
        assert!(log.assigned().expect("a log is asked").is_empty());
    }
    assert_eq!(replay(&mut log, all[4].0), all[4..], "from its beginning");
    append(&mut log, &[b"more"], 99);
    let mut shown = Vec::new();
    for _ in 0..POLLS_MAX {
        let polled = log.consume.poll(Duration::from_secs(1), &mut |consumed| {
            if let Consumed::Record { record, .. } = consumed {
                shown.push(record.record.to_vec());
            }
            ControlFlow::Continue(())
        });
        polled.expect("the log is read");
        if !shown.is_empty() {
            break;
        }
    }
    assert_eq!(shown, [b"more"], "it goes on by itself");
    // Begun again, as by whoever has lost and got it back; others are served all the while.
    assert_eq!(replay(&mut log, all[2].0).len(), all.len() - 2 + 1, "and again from there");
}

fn what_was_applied_is_not_missed(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, .. } = site.open();
    append(&mut log, &[&[1; 50], &[2; 50]], 1);
    let rest = append(&mut log, &[&[9; 50]], 2);
    log.assigned().expect("a log is asked");
    log.consume.applied(PARTITION, rest[0]);
    assert_eq!(replay(&mut log, rest[0]).len(), 1, "what was not applied is shown");
    drop(log);
    let Backend { mut log, .. } = site.open();
    assert_eq!(replay(&mut log, rest[0]).len(), 1, "also after a restart");
}
