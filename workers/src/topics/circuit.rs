//! Whether brokers answer, by what became of records. While they do not, one is tried now and then, and all others are
//! refused at once: nobody waits for what is known already. Pure.

use std::time::{Duration, Instant};

/// Between two that are tried.
const REST: Duration = Duration::from_millis(500);

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    HandIn,
    /// Answers come in the order of sends: those before it have none yet.
    Wait,
    Refuse,
}

#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// Since the last one was given up nothing has landed.
    is_open: bool,
    /// The one that is tried.
    tried: Option<u64>,
    rests_until: Option<Instant>,
}

impl Circuit {
    /// `owed`: whether its shard has records under way.
    pub(super) fn judge(&self, owed: bool, now: Instant) -> Verdict {
        let tries = self.tried.is_none() && self.rests_until.is_none_or(|until| until <= now);
        match self.is_open {
            false => Verdict::HandIn,
            true if owed => Verdict::Wait,
            true if tries => Verdict::HandIn,
            true => Verdict::Refuse,
        }
    }

    /// A record has gone out.
    pub(super) fn went(&mut self, ticket: u64) {
        if self.is_open {
            self.tried = Some(ticket);
        }
    }

    pub(super) fn landed(&mut self) {
        *self = Self::default();
    }

    /// One has failed; `given_up`: because nobody answered, and not for what it is.
    pub(super) fn failed(&mut self, ticket: u64, given_up: bool, now: Instant) {
        self.is_open |= given_up;
        // The first that are given up were under way together: the next one is tried when all are answered.
        if self.tried.take_if(|tried| *tried == ticket).is_some() && given_up {
            self.rests_until = Some(now + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_tried_at_a_time_while_nobody_answers() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        assert_eq!(circuit.judge(true, now), Verdict::HandIn, "nothing is known against it");
        circuit.failed(1, true, now);
        assert_eq!(circuit.judge(true, now), Verdict::Wait);
        assert_eq!(circuit.judge(false, now), Verdict::HandIn);
        circuit.went(3);
        assert_eq!(circuit.judge(false, now), Verdict::Refuse, "one is enough");
        circuit.failed(2, true, now);
        assert_eq!(
            circuit.judge(false, now),
            Verdict::Refuse,
            "another one's answer says nothing of it"
        );
        circuit.failed(3, true, now);
        assert_eq!(circuit.judge(false, now), Verdict::Refuse);
        assert_eq!(circuit.judge(false, now + REST), Verdict::HandIn);
        circuit.went(4);
        circuit.landed();
        assert_eq!(circuit.judge(true, now), Verdict::HandIn);
    }

    #[test]
    fn one_that_is_refused_for_what_it_is_ends_no_trying() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        circuit.failed(1, false, now);
        assert_eq!(circuit.judge(true, now), Verdict::HandIn, "somebody answered");
        circuit.failed(2, true, now);
        circuit.went(3);
        circuit.failed(3, false, now);
        assert_eq!(circuit.judge(false, now), Verdict::HandIn, "the next one is tried");
        circuit.went(4);
        assert_eq!(circuit.judge(false, now), Verdict::Refuse, "one is enough");
        circuit.landed();
        assert_eq!(circuit.judge(true, now), Verdict::HandIn);
    }
}
