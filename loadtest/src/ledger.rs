//! The bookkeeping that finds lost, doubled, reordered and altered messages.
//!
//! A [`Ledger`] follows one flow (one sender to one receiver) while it runs: sends, answers and
//! pushes come in, [`Faults`] come out. A [`StoredFlow`] then compares what an inbox holds with
//! what the ledger saw. Memory is bounded by what is in flight, not by what was sent: settled
//! messages leave only a count and a sum over their ids. No I/O, no clock.

use crate::envelope::mix;
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};

/// Messages of one flow that may be unsettled at once before the oldest is given up as lost.
const UNSETTLED_MAX: usize = 1 << 16;

/// Message numbers remembered individually per flow, as in doubt or as missing.
const REMEMBERED_MAX: usize = 1 << 16;

/// What went wrong, and what went right, in one flow or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Messages sent, repeats not counted.
    pub(crate) sent: u64,
    /// Messages answered with errCode 0 and an id.
    pub(crate) acked: u64,
    /// Messages whose push arrived.
    pub(crate) delivered: u64,
    #[serde(flatten)]
    pub(crate) faults: Faults,
}

/// Each of these is 0 in a clean run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Answered with an error.
    pub(crate) refused: u64,
    /// Never answered.
    pub(crate) unanswered: u64,
    /// Acknowledged, never delivered.
    pub(crate) lost: u64,
    /// Delivered again.
    pub(crate) doubled: u64,
    /// Delivered after a later message of the same sender.
    pub(crate) reordered: u64,
    /// Another id in the push than in the acknowledgement.
    pub(crate) mismatched: u64,
    /// Acknowledged twice, or without having been sent.
    pub(crate) stray_acks: u64,
    /// Delivered without having been sent.
    pub(crate) invented: u64,
}

impl Faults {
    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another flow's faults.
    pub(crate) fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.mismatched += other.mismatched;
        self.stray_acks += other.stray_acks;
        self.invented += other.invented;
    }
}

impl Tally {
    /// Adds another flow's figures.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.faults.add(&other.faults);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Waiting,
    Acked(u64),
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    intended_ns: u64,
    answer: Answer,
    pushed: Option<u64>,
}

/// The messages from one sender to one receiver.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Number of the message in the first slot.
    base: u64,
    slots: VecDeque<Slot>,
    waiting: usize,
    /// Number that the next push has when none is lost and none overtakes.
    expected: u64,
    /// Given up as lost; a late push takes its number out again.
    missing: BTreeSet<u64>,
    in_doubt: BTreeSet<u64>,
    acked_sum: u64,
    expects_pushes: bool,
    tally: Tally,
}

impl Ledger {
    /// An empty ledger. Without `expects_pushes` a message is settled once it is answered: for
    /// runs that break links on purpose, where the inbox is the only judge.
    pub(crate) fn new(expects_pushes: bool) -> Self {
        Self {
            base: 0,
            slots: VecDeque::new(),
            waiting: 0,
            expected: 0,
            missing: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            acked_sum: 0,
            expects_pushes,
            tally: Tally::default(),
        }
    }

    /// Enters a message that is sent now and was meant to be sent at `intended_ns`; its number.
    pub(crate) fn send(&mut self, intended_ns: u64) -> u64 {
        if self.slots.len() >= UNSETTLED_MAX {
            self.give_up_oldest();
        }
        let number = self.base + self.slots.len() as u64;
        self.slots.push_back(Slot { intended_ns, answer: Answer::Waiting, pushed: None });
        self.waiting += 1;
        self.tally.sent += 1;
        number
    }

    /// Sends that wait for their answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether every message sent so far is answered and, if expected, delivered.
    pub(crate) fn is_settled(&self) -> bool {
        self.slots.is_empty()
    }

    /// Messages kept because they are not yet answered and delivered.
    pub(crate) fn unsettled(&self) -> usize {
        self.slots.len()
    }

    /// Numbers of the messages that wait for their answer, oldest first.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = u64> + '_ {
        let numbered = (self.base..).zip(&self.slots);
        numbered.filter(|(_, slot)| slot.answer == Answer::Waiting).map(|(number, _)| number)
    }

    /// The number that `low` bits of it stand for, given that it is unsettled.
    pub(crate) fn widen(&self, low: u32, mask: u32) -> u64 {
        let distance = low.wrapping_sub(self.base as u32) & mask;
        self.base + u64::from(distance)
    }

    /// Enters an acknowledgement; the time the message was meant to be sent, if it awaited one.
    pub(crate) fn ack(&mut self, number: u64, id: u64) -> Option<u64> {
        let expects_pushes = self.expects_pushes;
        let Some(slot) = slot_of(&mut self.slots, self.base, number) else {
            self.tally.faults.stray_acks += 1;
            return None;
        };
        if slot.answer != Answer::Waiting {
            self.tally.faults.stray_acks += 1;
            return None;
        }
        slot.answer = Answer::Acked(id);
        if expects_pushes && slot.pushed.is_some_and(|pushed| pushed != id) {
            self.tally.faults.mismatched += 1;
        }
        let intended_ns = slot.intended_ns;
        self.waiting -= 1;
        self.tally.acked += 1;
        self.acked_sum = self.acked_sum.wrapping_add(mix(number, id));
        self.retire();
        Some(intended_ns)
    }

    /// Enters an answer with an error: the message is in doubt and must not be delivered.
    pub(crate) fn refuse(&mut self, number: u64) {
        match slot_of(&mut self.slots, self.base, number) {
            Some(slot) if slot.answer == Answer::Waiting => {
                slot.answer = Answer::Refused;
                self.waiting -= 1;
                self.tally.faults.refused += 1;
                self.doubt(number);
                self.retire();
            }
            _ => self.tally.faults.stray_acks += 1,
        }
    }

    /// Enters a push; the time the message was meant to be sent, if this is its first push.
    pub(crate) fn push(&mut self, number: u64, id: u64) -> Option<u64> {
        let end = self.base + self.slots.len() as u64;
        if number >= end {
            self.tally.faults.invented += 1;
            return None;
        }
        let late = number < self.expected;
        self.expected = self.expected.max(number + 1);
        let Some(slot) = slot_of(&mut self.slots, self.base, number) else {
            if self.missing.remove(&number) {
                self.tally.faults.lost -= 1;
                self.tally.faults.reordered += 1;
                self.tally.delivered += 1;
            } else {
                self.tally.faults.doubled += 1;
            }
            return None;
        };
        if slot.pushed.is_some() {
            self.tally.faults.doubled += 1;
            return None;
        }
        slot.pushed = Some(id);
        if matches!(slot.answer, Answer::Acked(acked) if acked != id) {
            self.tally.faults.mismatched += 1;
        }
        if slot.answer == Answer::Refused {
            self.tally.faults.invented += 1;
        }
        let intended_ns = slot.intended_ns;
        self.tally.delivered += 1;
        self.tally.faults.reordered += u64::from(late);
        self.retire();
        Some(intended_ns)
    }

    /// What is known so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Numbers of the messages that were refused or never answered.
    pub(crate) fn in_doubt(&self) -> &BTreeSet<u64> {
        &self.in_doubt
    }

    /// Closes the ledger: what is unsettled now is lost or unanswered for good.
    pub(crate) fn close(&mut self) -> Tally {
        while !self.slots.is_empty() {
            self.give_up_oldest();
        }
        self.tally
    }

    fn retire(&mut self) {
        while let Some(slot) = self.slots.front() {
            let settled = match slot.answer {
                Answer::Waiting => false,
                Answer::Refused => true,
                Answer::Acked(_) => slot.pushed.is_some() || !self.expects_pushes,
            };
            if !settled {
                break;
            }
            self.slots.pop_front();
            self.base += 1;
        }
    }

    fn give_up_oldest(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        let number = self.base;
        self.base += 1;
        match slot.answer {
            Answer::Waiting => {
                self.waiting -= 1;
                self.tally.faults.unanswered += 1;
                self.doubt(number);
            }
            Answer::Acked(_) if slot.pushed.is_none() && self.expects_pushes => {
                self.tally.faults.lost += 1;
                if self.missing.len() < REMEMBERED_MAX {
                    self.missing.insert(number);
                }
            }
            Answer::Acked(_) | Answer::Refused => {}
        }
        self.retire();
    }

    fn doubt(&mut self, number: u64) {
        if self.in_doubt.len() < REMEMBERED_MAX {
            self.in_doubt.insert(number);
        }
    }
}

fn slot_of(slots: &mut VecDeque<Slot>, base: u64, number: u64) -> Option<&mut Slot> {
    slots.get_mut(usize::try_from(number.checked_sub(base)?).ok()?)
}

/// What inboxes hold, compared with what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StoredFaults {
    /// Acknowledged, but not in the inbox.
    pub(crate) lost: u64,
    /// In the inbox more than once.
    pub(crate) doubled: u64,
    /// With a lower seq than an earlier message of the same sender.
    pub(crate) reordered: u64,
    /// Flows whose stored ids are not the acknowledged ones.
    pub(crate) mismatched_flows: u64,
    /// Seqs without a message.
    pub(crate) seq_holes: u64,
    /// Messages that share their seq with another, or came from outside the range asked for.
    pub(crate) seq_twins: u64,
    /// Altered content, or a number that was never sent.
    pub(crate) corrupted: u64,
    /// Inboxes that could not be pulled to the end.
    pub(crate) inboxes_unread: u64,
}

impl StoredFaults {
    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another inbox's faults.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.mismatched_flows += other.mismatched_flows;
        self.seq_holes += other.seq_holes;
        self.seq_twins += other.seq_twins;
        self.corrupted += other.corrupted;
        self.inboxes_unread += other.inboxes_unread;
    }
}

/// One flow as one inbox holds it, read by ascending seq.
#[derive(Debug, Default)]
pub(crate) struct StoredFlow {
    expected: u64,
    missing: BTreeSet<u64>,
    /// Missing beyond those remembered; their order can no longer be told.
    missing_more: u64,
    sum: u64,
    stored: u64,
    in_doubt_stored: u64,
    faults: StoredFaults,
}

impl StoredFlow {
    /// Enters the next stored message of the flow.
    pub(crate) fn see(&mut self, number: u64, id: u64, ledger: &Ledger) {
        if number >= ledger.tally.sent {
            self.faults.corrupted += 1;
            return;
        }
        if number < self.expected {
            if !self.missing.remove(&number) {
                self.faults.doubled += 1;
                return;
            }
            self.faults.reordered += 1;
        } else {
            for skipped in self.expected..number {
                self.skip(skipped);
            }
            self.expected = number + 1;
        }
        self.stored += 1;
        if ledger.in_doubt.contains(&number) {
            self.in_doubt_stored += 1;
        } else {
            self.sum = self.sum.wrapping_add(mix(number, id));
        }
    }

    fn skip(&mut self, number: u64) {
        if self.missing.len() < REMEMBERED_MAX {
            self.missing.insert(number);
        } else {
            self.missing_more += 1;
        }
    }

    /// Compares with the closed ledger of the flow.
    pub(crate) fn judge(mut self, ledger: &Ledger) -> StoredVerdict {
        for number in self.expected..ledger.tally.sent {
            self.skip(number);
        }
        let excused = self.missing.iter().filter(|one| ledger.in_doubt.contains(one)).count();
        self.faults.lost += self.missing.len() as u64 - excused as u64 + self.missing_more;
        // With messages missing the sums must differ; saying it twice would mislead.
        if self.faults.lost == 0 && self.sum != ledger.acked_sum {
            self.faults.mismatched_flows += 1;
        }
        StoredVerdict {
            stored: self.stored,
            in_doubt_stored: self.in_doubt_stored,
            faults: self.faults,
        }
    }
}

/// What [`StoredFlow::judge`] found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoredVerdict {
    /// Messages of the flow in the inbox.
    pub(crate) stored: u64,
    /// Those among them that were never acknowledged, which is allowed.
    pub(crate) in_doubt_stored: u64,
    /// What went wrong.
    pub(crate) faults: StoredFaults,
}

#[cfg(test)]
mod tests;
