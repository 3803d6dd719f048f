//! How it stands with a transfer, for whoever asks: written by its thread every now and then, read by anybody.

use std::sync::{Arc, Mutex, PoisonError};

use openim_record::LogPartition;

/// How it stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether the gateways are known.
    pub joined: bool,
    /// Whether the group has given this process its share, which may be nothing.
    pub has_share: bool,
    /// Partitions that this process owns.
    pub owned: Vec<LogPartition>,
    /// How many of them are being loaded.
    pub loading: usize,
    /// Those that stand still until somebody has looked, each with its alarm.
    pub stopped: Vec<(LogPartition, String)>,
    /// What is wrong now, by component.
    pub troubles: Vec<Missed>,
    /// Append time of the oldest record that was read and is not below a checkpoint, unix milliseconds.
    pub oldest_ms: Option<i64>,
    /// Relays and notices that are handed out and not in the log.
    pub relays_waiting: usize,
    /// What was done since the start.
    pub counts: Counts,
}

/// A component that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which, and what for.
    pub component: &'static str,
    /// How.
    pub why: String,
    /// Whether nothing is stored without it.
    pub stops_all: bool,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records handed to owners.
    pub records: u64,
    /// Relays that the log has.
    pub relays: u64,
    /// Notices that the log has.
    pub notices: u64,
    /// Batches stored.
    pub stores: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Deliveries handed to gateways.
    pub deliveries: u64,
    /// Sends whose origin was told that they are settled.
    pub settled: u64,
    /// Times that an owner had to load its partition again.
    pub loads_again: u64,
    /// Calls of components that failed, contradictions among them.
    pub failures: u64,
    /// Records set aside.
    pub dead_letters: u64,
    /// Of these such as could not be kept, as too many waited.
    pub dead_letters_lost: u64,
}

/// The place where it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Status>>);

impl Board {
    pub(crate) fn write(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(crate) fn read(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
