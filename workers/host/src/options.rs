//! What a transfer is bounded by.

use std::time::Duration;

/// Bounds and times of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Answers that wait for the transfer's thread: calls beyond keep theirs until there is room.
    pub answers_max: usize,
    /// Calls of the history under way; as many as it has connections.
    pub history_calls_max: usize,
    /// Records that wait to be set aside in the directory's database.
    pub dead_letters_max: usize,
    /// Records that are read before answers are looked at.
    pub records_a_turn: usize,
    /// How often owners are told the time.
    pub tick: Duration,
    /// How often versions of groups are compared with the directory.
    pub versions_every: Duration,
    /// How often partitions whose log is not theirs look whether it was adopted.
    pub adopted_every: Duration,
    /// How long an end waits for what is under way.
    pub stop_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            answers_max: 1_024,
            history_calls_max: 16,
            dead_letters_max: 64,
            records_a_turn: 512,
            tick: Duration::from_millis(100),
            versions_every: Duration::from_secs(60),
            adopted_every: Duration::from_secs(5),
            stop_wait: Duration::from_secs(5),
        }
    }
}
