//! What the engine counts of itself, for whoever shows figures.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Why bytes of the log are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// History may refer to them.
    History,
    /// A start would read them.
    Start,
    /// An index made from the base that is there would need them.
    Base,
    /// Archived messages whose time has not come.
    Archive,
    /// Whatever lies in one file with these.
    Neighbour,
    /// Whatever lies in one file with records that this version does not know.
    Unknown,
    /// Nobody has looked into the file yet.
    Unread,
    /// The file is damaged, and what was in it cannot be told.
    Damaged,
}

/// Why bytes of the log have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// There was nothing archived with them.
    History,
    /// The archive had kept them for their time.
    Age,
    /// The archive was larger than it may be.
    Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub struct EngineFigures {
    stays: [AtomicU64; Self::STAYS.len()],
    gone: [AtomicU64; Self::GONE.len()],
    /// Bytes of the base that is there.
    pub base_bytes: AtomicU64,
    /// Position of the log that it stands for.
    pub base_position: AtomicU64,
    /// When it was written, unix seconds; 0 without one.
    pub base_written_s: AtomicU64,
    /// Bases that could not be written, or were found damaged.
    pub base_failures: AtomicU64,
    base_trouble: Mutex<Option<String>>,
    /// Times that the index was opened again because its engine had given up.
    pub index_taken_up: AtomicU64,
}

impl EngineFigures {
    /// The reasons for which bytes stay.
    pub const STAYS: [&'static str; 8] =
        ["history", "start", "base", "archive", "neighbour", "unknown", "unread", "damaged"];
    /// The reasons for which bytes went.
    pub const GONE: [&'static str; 3] = ["history", "age", "bytes"];

    /// What is wrong with the base, until another one is written.
    pub fn base_trouble(&self) -> Option<String> {
        self.base_trouble.lock().clone()
    }

    /// The base cannot be written, or is damaged; `None`: a whole one is there.
    pub(super) fn base_is(&self, trouble: Option<String>) {
        if trouble.is_some() {
            self.base_failures.fetch_add(1, Ordering::Relaxed);
        }
        *self.base_trouble.lock() = trouble;
    }

    /// An index whose engine had given up is in use again.
    pub(super) fn taken_up(&self) {
        self.index_taken_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes of the log by why they are there, as of the last look.
    pub fn stays(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::STAYS.into_iter().zip(self.stays.iter().map(|cell| cell.load(Ordering::Relaxed)))
    }

    /// Bytes of the log that have gone since the start, by why.
    pub fn gone(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::GONE.into_iter().zip(self.gone.iter().map(|cell| cell.load(Ordering::Relaxed)))
    }

    /// What a look has found.
    pub(super) fn stay(&self, found: impl IntoIterator<Item = (Stay, u64)>) {
        let mut sums = [0_u64; Self::STAYS.len()];
        for (why, bytes) in found {
            sums[why as usize] += bytes;
        }
        for (cell, sum) in self.stays.iter().zip(sums) {
            cell.store(sum, Ordering::Relaxed);
        }
    }

    /// So many bytes have gone.
    pub(super) fn went(&self, why: Gone, bytes: u64) {
        self.gone[why as usize].fetch_add(bytes, Ordering::Relaxed);
    }
}
