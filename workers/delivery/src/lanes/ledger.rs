//! What a lane owes: who waits for an answer, what is not sent yet, and which batches are under way. No socket, no
//! clock.
//!
//! Invariant: answers come in the order of batches, and calls go into batches in their order; so who is answered, is
//! late, or loses a batch is always the one that has waited longest. Guarded by `tests`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use openim_record::Process;

use super::Done;
use super::counters::{Counters, Room};
use super::lane::Call;
use crate::Told;
use crate::wire::Writer;

/// Batches under way at most (R8): enough to keep a stream busy, and a stall holds no more.
pub(super) const UNANSWERED_MAX: usize = 4;

/// Somebody who is owed an answer; dropped, it is that there is none.
pub(super) struct Owed(Option<Done>);

impl Owed {
    pub(super) const fn new(done: Done) -> Self {
        Self(Some(done))
    }

    pub(super) fn answer(mut self, answer: Option<Vec<u8>>) {
        if let Some(done) = self.0.take() {
            done(answer);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(None);
        }
    }
}

/// An answer that is no answer to the batch that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

pub(super) struct Ledger {
    counters: Arc<Counters>,
    /// Those who are owed an answer, in the order of their calls.
    calls: VecDeque<Waiter>,
    /// Number of the first of them.
    first: u64,
    /// What is not sent, or not all of it.
    waiting: VecDeque<Waiting>,
    unanswered: VecDeque<Vec<Part>>,
}

struct Waiter {
    until: Instant,
    answer: Vec<u8>,
    owed: Owed,
}

struct Waiting {
    call: u64,
    front: Process,
    told: Told,
    /// Items of it that are sent.
    sent: usize,
    /// Given back when it leaves.
    _room: Room,
}

/// What of a call lies in a batch.
struct Part {
    call: u64,
    /// Bytes of its answer.
    answer: usize,
    /// Whether nothing of the call comes behind it.
    last: bool,
}

impl Ledger {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let (calls, waiting, unanswered) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { counters, calls, first: 0, waiting, unanswered }
    }

    pub(super) fn take(&mut self, call: Call) {
        let Call { front, told, until, done, room } = call;
        let number = self.first + self.calls.len() as u64;
        let answer = Vec::new();
        self.calls.push_back(Waiter { until, answer, owed: done });
        self.waiting.push_back(Waiting { call: number, front, told, sent: 0, _room: room });
    }

    /// When somebody has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.calls.front().map(|waiter| waiter.until)
    }

    /// The next batch to send, if one may be under way more and there is something to send.
    pub(super) fn next_batch(&mut self) -> Option<Vec<u8>> {
        if self.unanswered.len() >= UNANSWERED_MAX || self.waiting.is_empty() {
            return None;
        }
        let mut batch = Writer::default();
        let mut parts = Vec::new();
        while let Some(next) = self.waiting.front_mut() {
            let taken = batch.part(next.front, &next.told, next.sent);
            if taken == 0 {
                break;
            }
            next.sent += taken;
            let last = next.sent >= next.told.len();
            let answer = if next.told.answer_len() > 0 { taken } else { 0 };
            parts.push(Part { call: next.call, answer, last });
            if !last {
                break;
            }
            if let Some(sent) = self.waiting.pop_front() {
                batch.keep(sent.told);
            }
        }
        let written = batch.finish();
        self.counters.sent(written.bytes.len(), written.deliveries);
        self.unanswered.push_back(parts);
        self.count_unanswered();
        Some(written.bytes)
    }

    /// The oldest batch under way is answered.
    ///
    /// # Errors
    /// [`Mismatch`]: there is none, or it has another number of deliveries.
    pub(super) fn answered(&mut self, answer: &[u8]) -> Result<(), Mismatch> {
        let want = |parts: &Vec<Part>| parts.iter().map(|part| part.answer).sum::<usize>();
        if self.unanswered.front().map(want) != Some(answer.len()) {
            return Err(Mismatch);
        }
        let parts = self.unanswered.pop_front().unwrap_or_default();
        self.count_unanswered();
        let mut rest = answer;
        for part in parts {
            let (own, behind) = rest.split_at(part.answer);
            rest = behind;
            // Of those who are gone nobody waits.
            let Some(at) = part.call.checked_sub(self.first) else { continue };
            let waiter = usize::try_from(at).ok().and_then(|at| self.calls.get_mut(at));
            let Some(waiter) = waiter else { continue };
            waiter.answer.extend_from_slice(own);
            if part.last {
                self.leave(true);
            }
        }
        Ok(())
    }

    /// Whoever has waited until now waits no more, and what of it is not sent is not sent.
    pub(super) fn expire(&mut self, now: Instant) {
        let late = self.calls.iter().take_while(|waiter| waiter.until <= now).count();
        self.counters.late(late);
        self.forget(self.first + late as u64);
    }

    /// What was under way is lost. What was not begun may go out on the next stream.
    pub(super) fn broken(&mut self) {
        let lost = self.unanswered.drain(..).flatten().map(|part| part.call + 1).max();
        self.count_unanswered();
        self.forget(lost.unwrap_or(0));
    }

    /// Nobody with a number below waits any more.
    fn forget(&mut self, below: u64) {
        while self.waiting.front().is_some_and(|waiting| waiting.call < below) {
            self.waiting.pop_front();
        }
        while self.first < below && !self.calls.is_empty() {
            self.leave(false);
        }
    }

    /// The one who has waited longest leaves.
    fn leave(&mut self, answered: bool) {
        if let Some(Waiter { answer, owed, .. }) = self.calls.pop_front() {
            self.first += 1;
            owed.answer(answered.then_some(answer));
        }
    }

    fn count_unanswered(&self) {
        self.counters.unanswered.store(self.unanswered.len() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests;
