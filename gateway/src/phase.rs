//! How far the process is: starting, serving, draining, stopped.
//!
//! Owns one byte that the thread in charge moves and every other thread may read. It only moves
//! forward, so who has seen `Draining` never sees `Serving` again. Never: waits or wakes anybody.

use std::sync::atomic::{AtomicU8, Ordering};

/// The stages of the process's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Recovering and opening; nothing is accepted yet.
    Starting,
    /// Everything is accepted.
    Serving,
    /// Nothing new is accepted; what was accepted is finished.
    Draining,
    /// Nothing runs any more.
    Stopped,
}

/// The stage the process is in, shared between its threads.
#[derive(Debug)]
pub struct Phase(AtomicU8);

impl Default for Phase {
    fn default() -> Phase {
        Phase(AtomicU8::new(Stage::Starting as u8))
    }
}

impl Phase {
    /// The stage now.
    pub fn get(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            2 => Stage::Draining,
            _ => Stage::Stopped,
        }
    }

    /// Moves on to `stage`; a stage that was passed already changes nothing.
    pub fn advance(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::AcqRel);
    }
}

impl Stage {
    /// The name shown to operators.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Starting => "starting",
            Stage::Serving => "serving",
            Stage::Draining => "draining",
            Stage::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_never_goes_back() {
        let phase = Phase::default();
        assert_eq!(phase.get(), Stage::Starting);
        for (to, then) in [
            (Stage::Serving, Stage::Serving),
            (Stage::Draining, Stage::Draining),
            (Stage::Serving, Stage::Draining),
            (Stage::Stopped, Stage::Stopped),
            (Stage::Starting, Stage::Stopped),
        ] {
            phase.advance(to);
            assert_eq!(phase.get(), then);
        }
    }
}
