//! The sweep: pings, the dead, the stalled and the expired.

use openim_auth::{Class, LoginPolicy, TokenId};
use openim_record::Now;

use super::*;
use crate::{Credentials, FrameToken};

const DEADLINES: Deadlines = Deadlines { ping_s: 10, pings_missed_max: 2, write_stall_s: 4 };
const EXPIRES_AT: i64 = 1_000;

fn links(count: u8) -> (Links, Vec<LinkId>) {
    let mut links = Links::new(LoginPolicy::default(), 10);
    let credentials = Credentials {
        class: Class::Pc,
        platform: 3,
        id: TokenId([0; 16]),
        issued_at: 0,
        expires_at: EXPIRES_AT,
        frame: FrameToken::new(0),
    };
    let ids = (0..count)
        .map(|n| links.open(&format!("u{n}"), 5, credentials, Now::default(), 0).id)
        .collect();
    (links, ids)
}

/// What the sweep says, second by second.
fn sweep(links: &mut Links, deadlines: Deadlines, seconds: u32) -> Vec<(u32, Verdict)> {
    let mut sweep = Sweep::default();
    let mut found = Vec::new();
    for second in 1..=seconds {
        let mut out = Vec::new();
        sweep.turn(links, deadlines, second, second.into(), &mut out);
        found.extend(out.into_iter().map(|verdict| (second, verdict)));
    }
    found
}

#[test]
fn a_silent_link_is_pinged_then_closed() {
    let (mut links, ids) = links(1);
    let found = sweep(&mut links, Deadlines { write_stall_s: 0, ..DEADLINES }, 60);
    let verdicts: Vec<Verdict> = found.iter().map(|&(_, verdict)| verdict).collect();
    let dead = Verdict::Close(ids[0], CloseReason::Dead);
    assert_eq!(verdicts[..3], [Verdict::Ping(ids[0]), Verdict::Ping(ids[0]), dead]);
    let seconds: Vec<u32> = found.iter().map(|&(second, _)| second).collect();
    let due = [10, 20, 30];
    assert!(due.iter().zip(&seconds).all(|(due, second)| second >= due), "{seconds:?}");
}

#[test]
fn short_slices_do_not_shorten_the_time_to_answer() {
    // The sweep comes by every four seconds; the peer still has ten for each ping.
    let (mut links, ids) = links(1);
    let found = sweep(&mut links, DEADLINES, 60);
    let closed = found.iter().find(|(_, verdict)| matches!(verdict, Verdict::Close(..)));
    let pinged = found.iter().rfind(|(_, verdict)| *verdict == Verdict::Ping(ids[0]));
    let (closed, pinged) = (closed.unwrap().0, pinged.unwrap().0);
    assert!(closed >= 30 && closed - pinged >= 7, "pinged at {pinged}, closed at {closed}");
}

#[test]
fn silence_of_a_link_that_is_not_read_means_nothing() {
    let (mut links, ids) = links(1);
    let link = links.get_mut(ids[0]).unwrap();
    link.held = true;
    link.pings_missed = 2;
    assert!(sweep(&mut links, DEADLINES, 200).is_empty());
    // Nor when it is read again: it has its whole time.
    links.get_mut(ids[0]).unwrap().held = false;
    let mut out = Vec::new();
    Sweep::default().turn(&mut links, DEADLINES, 205, 205, &mut out);
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn a_socket_that_takes_nothing_is_closed_only_while_something_waits() {
    let (mut links, ids) = links(2);
    links.get_mut(ids[1]).unwrap().outbox_bytes = 1;
    let found = sweep(&mut links, Deadlines { ping_s: 0, ..DEADLINES }, 10);
    assert_eq!(found[0].1, Verdict::Close(ids[1], CloseReason::WriteStalled));
    assert!(found.iter().all(|&(second, verdict)| second > 4 && verdict == found[0].1));
}

#[test]
fn an_expired_token_closes_its_link_and_a_closing_one_is_left_alone() {
    let (mut links, ids) = links(2);
    links.get_mut(ids[1]).unwrap().closing = true;
    let mut out = Vec::new();
    Sweep::default().turn(&mut links, DEADLINES, 100, EXPIRES_AT, &mut out);
    assert_eq!(out, [Verdict::Close(ids[0], CloseReason::TokenExpired)]);
}

#[test]
fn every_link_comes_up_once_in_a_period_and_only_a_slice_a_second() {
    let (mut links, ids) = links(100);
    let deadlines = Deadlines { write_stall_s: 0, ..DEADLINES };
    let found = sweep(&mut links, deadlines, 20);
    let slots = links.capacity();
    for second in 1..=20 {
        let slice = found.iter().filter(|&&(at, _)| at == second).count();
        assert!(slice <= slots.div_ceil(10), "{slice} of {slots} in one second");
    }
    for id in ids {
        assert!(found.iter().any(|&(_, verdict)| verdict == Verdict::Ping(id)));
    }
}
