//! Which messages each member has received: a counter for each member and flow, and the exceptions.
//!
//! In: numbers of pushed messages. Out: [`Seen`] at once, and at the end what is lost. A flow's
//! messages reach a member in the order of their numbers, so in a good run a counter says it all;
//! numbers that were skipped are remembered one by one, within a bound. No I/O, no clock.

use crate::ledger::Ledger;
use serde::Serialize;
use std::collections::BTreeSet;

/// Skipped messages remembered by one thread; what is beyond counts as lost even if it comes late.
const SKIPPED_MAX: usize = 1 << 18;

/// What the members of one thread, or of all, received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Faults {
    /// Acknowledged, never pushed to an online member.
    pub(super) lost: u64,
    /// Pushed to a member again.
    pub(super) doubled: u64,
    /// Pushed after a later message of the same sender.
    pub(super) reordered: u64,
    /// Another id in a push than elsewhere.
    pub(super) mismatched: u64,
    /// Pushed without having been sent.
    pub(super) invented: u64,
    /// Pushed to the link that sent it.
    pub(super) echoed: u64,
    /// `recvID` is not `<member> <group>`, or the session is not a group's.
    pub(super) misaddressed: u64,
    /// Pushed to somebody who is not a member.
    pub(super) misrouted: u64,
    /// Content, sender or emphasis are not what was sent.
    pub(super) corrupted: u64,
    /// A seq that does not follow that of the push before.
    pub(super) seq_backwards: u64,
    /// Pushes that are no message of this run.
    pub(super) foreign: u64,
    /// Frames that are no answer and no push of this wire.
    pub(super) unreadable: u64,
    /// Errors that name no request.
    pub(super) bare_errors: u64,
    /// Notices that another login superseded a link.
    pub(super) kicked: u64,
}

impl Faults {
    /// Adds another thread's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.mismatched += other.mismatched;
        self.invented += other.invented;
        self.echoed += other.echoed;
        self.misaddressed += other.misaddressed;
        self.misrouted += other.misrouted;
        self.corrupted += other.corrupted;
        self.seq_backwards += other.seq_backwards;
        self.foreign += other.foreign;
        self.unreadable += other.unreadable;
        self.bare_errors += other.bare_errors;
        self.kicked += other.kicked;
    }

    /// Whether nothing went wrong.
    pub(super) fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// What a push is to its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The next one.
    First,
    /// New to the member, but later messages of the sender came before it.
    Late,
    /// Received before.
    Again,
}

/// The members of one thread.
#[derive(Debug)]
pub(super) struct Receipts {
    /// Flows that a member can receive at most.
    places: usize,
    /// For each member and place, the number expected next.
    next: Vec<u64>,
    /// Member, place and number of what was skipped.
    skipped: BTreeSet<(usize, usize, u64)>,
    /// Skipped beyond those.
    skipped_more: u64,
}

impl Receipts {
    /// Nothing received by `members` members of pools with at most `places` flows.
    pub(super) fn new(members: usize, places: usize) -> Self {
        Self { places, next: vec![0; members * places], skipped: BTreeSet::new(), skipped_more: 0 }
    }

    /// Enters message `number` of the flow at `place`, pushed to `member`.
    pub(super) fn see(&mut self, member: usize, place: usize, number: u64) -> Seen {
        let next = &mut self.next[member * self.places + place];
        if number < *next {
            let late = self.skipped.remove(&(member, place, number));
            return if late { Seen::Late } else { Seen::Again };
        }
        let skipped = std::mem::replace(next, number + 1)..number;
        let room = SKIPPED_MAX.saturating_sub(self.skipped.len()) as u64;
        let kept = skipped.end.min(skipped.start.saturating_add(room));
        self.skipped.extend((skipped.start..kept).map(|number| (member, place, number)));
        self.skipped_more += skipped.end - kept;
        Seen::First
    }

    /// Messages of the flow at `place` that `member` should have received and did not; what is in
    /// doubt is excused.
    pub(super) fn lost(&self, member: usize, place: usize, ledger: &Ledger) -> u64 {
        let next = self.next[member * self.places + place];
        let sent = ledger.tally().sent.max(next);
        let key = |number| (member, place, number);
        let skipped = self.skipped.range(key(0)..key(next));
        let skipped = skipped.filter(|(.., number)| !ledger.in_doubt().contains(number)).count();
        let excused = ledger.in_doubt().range(next..sent).count();
        skipped as u64 + (sent - next) - excused as u64
    }

    /// Skipped messages whose members are no longer known.
    pub(super) fn lost_more(&self) -> u64 {
        self.skipped_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(acked: u64, refused: &[u64]) -> Ledger {
        let mut ledger = Ledger::new(false);
        for number in 0..acked {
            ledger.send(0);
            match refused.contains(&number) {
                true => ledger.refuse(number),
                false => drop(ledger.ack(number, 1)),
            }
        }
        ledger
    }

    #[test]
    fn in_a_good_run_nothing_is_remembered() {
        let mut receipts = Receipts::new(2, 3);
        (0..100).for_each(|number| assert_eq!(receipts.see(1, 2, number), Seen::First));
        assert!(receipts.skipped.is_empty());
        assert_eq!(receipts.lost(1, 2, &ledger(100, &[])), 0);
        assert_eq!(receipts.lost(0, 2, &ledger(100, &[])), 100);
    }

    #[test]
    fn doubled_late_and_lost_messages_are_told_apart() {
        let mut receipts = Receipts::new(1, 1);
        let seen: Vec<_> = [0, 0, 3, 1, 1].map(|number| receipts.see(0, 0, number)).to_vec();
        assert_eq!(seen, [Seen::First, Seen::Again, Seen::First, Seen::Late, Seen::Again]);
        assert_eq!(receipts.lost(0, 0, &ledger(6, &[])), 3);
        assert_eq!(receipts.lost(0, 0, &ledger(6, &[2, 4])), 1);
    }

    #[test]
    fn memory_is_bounded_when_much_is_skipped() {
        let mut receipts = Receipts::new(1, 1);
        receipts.see(0, 0, 10_000_000);
        assert_eq!(receipts.skipped.len(), SKIPPED_MAX);
        assert_eq!(receipts.lost_more(), 10_000_000 - SKIPPED_MAX as u64);
    }
}
