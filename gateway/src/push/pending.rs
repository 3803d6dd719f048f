//! Messages that are asked about once more a little later: their home had not numbered them, or a terminal was about to pull.
//!
//! Bounded: while [`WAITING_MAX`] wait no more of the log is read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::reading::Candidate;

const WAITING_MAX: usize = 16 * 1024;
/// How long it waits.
const AGAIN: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Default)]
pub(super) struct Waiting(VecDeque<(Instant, Candidate)>);

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.0.len() < WAITING_MAX
    }

    /// Comes again.
    pub(super) fn add(&mut self, now: Instant, candidate: Candidate) {
        self.0.push_back((now + AGAIN, candidate));
    }

    /// Those whose time has come, at most so many.
    pub(super) fn due(&mut self, now: Instant, max: usize) -> Vec<Candidate> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some((_, candidate)) = self.0.pop_front_if(|(at, _)| *at <= now)
        {
            due.push(candidate);
        }
        due
    }
}
