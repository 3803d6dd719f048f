//! One inbox at the end of a run, pulled page by page and compared with the books.
//!
//! In: answers to 1001 and 1002. Out: [`StoredVerdict`]s. Seqs above the baseline, which was read
//! before the run, must be dense; the messages of both flows of the pair must be all there, once,
//! in order, with the ids that were acknowledged.

use super::exchange::Flow;
use super::worker::Plan;
use crate::envelope::{Body, Mark, print_of};
use crate::ledger::{StoredFaults, StoredFlow, StoredVerdict};

/// Messages per pull when they are small.
const PAGE_MAX: i64 = 500;
/// Content bytes per pull when they are large.
const PAGE_BYTES: usize = 4 << 20;

/// An inbox being compared.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The last answer to 1001.
    pub(super) newest: Option<i64>,
    /// Newest seq before the run.
    pub(super) baseline: i64,
    /// Next seq to pull, once the end is known.
    next: i64,
    end: i64,
    page: i64,
    own: StoredFlow,
    partner: StoredFlow,
    faults: StoredFaults,
}

/// What to do next with an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Pull this range.
    Pull(i64, i64),
    /// Compared to the end, or given up.
    Over,
}

impl Inbox {
    /// Begins the comparison of everything between baseline and `newest`.
    pub(super) fn begin(&mut self, newest: i64, plan: Plan) {
        self.next = self.baseline + 1;
        self.end = newest;
        let fitting = (PAGE_BYTES / (plan.content_bytes + 256)) as i64;
        self.page = fitting.clamp(1, PAGE_MAX);
        if newest < self.baseline {
            self.faults.seq_holes += (self.baseline - newest).unsigned_abs();
        }
    }

    /// The next range to pull.
    pub(super) fn step(&self) -> Step {
        if self.next > self.end {
            return Step::Over;
        }
        Step::Pull(self.next, self.end.min(self.next + self.page - 1))
    }

    /// Ends the comparison early.
    pub(super) fn give_up(&mut self) {
        self.faults.inboxes_unread = 1;
        self.end = self.next - 1;
    }

    /// Enters the answer to the range that [`Inbox::step`] gave, by ascending seq.
    pub(super) fn take_page(
        &mut self,
        link: usize,
        messages: &[Body<'_>],
        flows: &[Flow],
        plan: Plan,
        first_flow: u32,
    ) {
        let Step::Pull(_, end) = self.step() else { return };
        let mut wanted = self.next;
        let mut scratch = Vec::new();
        for message in messages {
            if message.seq < wanted || message.seq > end {
                self.faults.seq_twins += 1;
                continue;
            }
            self.faults.seq_holes += (message.seq - wanted).unsigned_abs();
            wanted = message.seq + 1;
            let mark = Mark::read(&message.content).filter(|mark| mark.run == plan.run);
            let Some(mark) = mark else { continue };
            let flow = mark.flow.wrapping_sub(first_flow) as usize;
            let stored = match flow {
                own if own == link => &mut self.own,
                partner if partner == link ^ 1 => &mut self.partner,
                _ => {
                    self.faults.corrupted += 1;
                    continue;
                }
            };
            if !mark.fits(&message.content, plan.content_bytes, &mut scratch) {
                self.faults.corrupted += 1;
            }
            stored.see(mark.number, print_of(&message.server_id), &flows[flow].ledger);
        }
        self.faults.seq_holes += (end + 1 - wanted).unsigned_abs();
        self.next = end + 1;
    }

    /// Compares what was read with the closed books of both flows.
    pub(super) fn judge(self, link: usize, flows: &[Flow]) -> StoredVerdict {
        if self.faults.inboxes_unread > 0 {
            return StoredVerdict { faults: self.faults, ..StoredVerdict::default() };
        }
        let own = self.own.judge(&flows[link].ledger);
        let partner = self.partner.judge(&flows[link ^ 1].ledger);
        let mut faults = self.faults;
        faults.add(&own.faults);
        faults.add(&partner.faults);
        StoredVerdict {
            stored: own.stored + partner.stored,
            in_doubt_stored: own.in_doubt_stored + partner.in_doubt_stored,
            faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{SendTemplate, Speaker};
    use std::borrow::Cow;

    const RUN: u32 = 77;

    fn plan() -> Plan {
        Plan { run: RUN, content_bytes: 0, ..Plan::default() }
    }

    fn flows(acked: u64) -> Vec<Flow> {
        let template = SendTemplate::new(&Speaker::new("a", "t"), 1, "b", "{}");
        let mut flows: Vec<_> = (0..2).map(|_| Flow::new("a", template.clone(), false)).collect();
        for number in 0..acked {
            flows[0].ledger.send(0);
            flows[0].ledger.ack(number, print_of(&format!("id{number}")));
        }
        flows[0].ledger.close();
        flows
    }

    fn stored(seq: i64, number: u64) -> Body<'static> {
        Body {
            seq,
            content: Cow::Owned(format!("lt.{RUN}.0.{number}.")),
            server_id: Cow::Owned(format!("id{number}")),
            ..Body::default()
        }
    }

    fn judged(messages: &[Body<'_>], newest: i64, acked: u64) -> StoredFaults {
        let flows = flows(acked);
        let mut inbox = Inbox { baseline: 10, ..Inbox::default() };
        inbox.begin(newest, plan());
        inbox.take_page(0, messages, &flows, plan(), 0);
        inbox.judge(0, &flows).faults
    }

    #[test]
    fn a_complete_inbox_is_clean_and_other_peoples_messages_are_no_fault() {
        let other = Body { seq: 12, content: Cow::Borrowed("hello"), ..Body::default() };
        assert!(judged(&[stored(11, 0), other, stored(13, 1)], 13, 2).is_clean());
    }

    #[test]
    fn a_hole_in_seq_is_found_even_when_no_message_of_ours_is_missing() {
        let faults = judged(&[stored(11, 0), stored(13, 1)], 14, 2);
        assert_eq!(faults, StoredFaults { seq_holes: 2, ..StoredFaults::default() });
    }

    #[test]
    fn a_twin_seq_and_a_message_from_outside_the_range_are_found() {
        let faults = judged(&[stored(11, 0), stored(11, 0), stored(12, 1), stored(40, 1)], 12, 2);
        assert_eq!(faults, StoredFaults { seq_twins: 2, ..StoredFaults::default() });
    }

    #[test]
    fn a_newest_seq_that_went_backwards_is_found() {
        assert_eq!(judged(&[], 8, 0).seq_holes, 2);
    }

    #[test]
    fn pages_walk_up_to_the_end_and_shrink_for_large_messages() {
        let mut inbox = Inbox::default();
        inbox.begin(700, plan());
        assert_eq!(inbox.step(), Step::Pull(1, 500));
        inbox.next = 501;
        assert_eq!(inbox.step(), Step::Pull(501, 700));
        inbox.give_up();
        assert_eq!(inbox.step(), Step::Over);
        inbox.begin(700, Plan { content_bytes: 8 << 20, ..plan() });
        assert_eq!(inbox.step(), Step::Pull(1, 1));
    }
}
