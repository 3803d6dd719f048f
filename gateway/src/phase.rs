//! How far the process is: starting, following or serving, and the steps of its end.
//!
//! Owns one byte that the thread in charge moves and every other thread may read. It only moves
//! forward, so who has seen `Draining` never sees `Serving` again. And what the end came to: how many
//! shards have closed their doors, how many links were moved. Never: waits or wakes anybody.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// The stages of the process's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Recovering and opening; nothing is accepted yet.
    Starting,
    /// Another server is followed; nothing is accepted.
    Following,
    /// Everything is accepted.
    Serving,
    /// Everything is still accepted, and `/readyz` says that it will not be for long.
    Leaving,
    /// New links are refused, and every shard closes its listeners.
    Closing,
    /// No listener is left; what was accepted is finished.
    Draining,
    /// Nothing runs any more.
    Stopped,
}

/// The stage the process is in, shared between its threads.
#[derive(Debug)]
pub struct Phase {
    stage: AtomicU8,
    /// Shards whose listeners are closed.
    closed: AtomicUsize,
    /// Links that the drain began to close, and those of them that took their close frame.
    told: AtomicU64,
    moved: AtomicU64,
}

impl Default for Phase {
    fn default() -> Phase {
        Phase {
            stage: AtomicU8::new(Stage::Starting as u8),
            closed: AtomicUsize::new(0),
            told: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        }
    }
}

impl Phase {
    /// The stage now.
    pub fn get(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Following,
            2 => Stage::Serving,
            3 => Stage::Leaving,
            4 => Stage::Closing,
            5 => Stage::Draining,
            _ => Stage::Stopped,
        }
    }

    /// Moves on to `stage`; a stage that was passed already changes nothing.
    pub fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// A shard has closed its listeners.
    pub(crate) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::AcqRel);
    }

    /// How many shards have.
    pub(crate) fn closed_len(&self) -> usize {
        self.closed.load(Ordering::Acquire)
    }

    /// The drain closes a link.
    pub(crate) fn told(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    /// Such a link's socket took the close frame.
    pub(crate) fn moved(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// Links that were moved, and links that were cut: those that did not take their close frame.
    pub(crate) fn links_ended(&self) -> (u64, u64) {
        let moved = self.moved.load(Ordering::Relaxed);
        (moved, self.told.load(Ordering::Relaxed).saturating_sub(moved))
    }
}

impl Stage {
    /// The name shown to operators.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Starting => "starting",
            Stage::Following => "following",
            Stage::Serving => "serving",
            Stage::Leaving | Stage::Closing => "leaving",
            Stage::Draining => "draining",
            Stage::Stopped => "stopped",
        }
    }

    /// The number shown in the metrics.
    pub const fn figure(self) -> u8 {
        match self {
            Stage::Starting => 0,
            Stage::Serving => 1,
            Stage::Leaving | Stage::Closing | Stage::Draining => 2,
            Stage::Stopped => 3,
            Stage::Following => 4,
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
            (Stage::Following, Stage::Following),
            (Stage::Serving, Stage::Serving),
            (Stage::Following, Stage::Serving),
            (Stage::Leaving, Stage::Leaving),
            (Stage::Closing, Stage::Closing),
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
