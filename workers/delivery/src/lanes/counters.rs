//! What a lane counts, for whoever looks at it, and the room in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use openim_record::Process;
use parking_lot::Mutex;

use super::{LaneOptions, LaneStatus, LaneTotals};

#[derive(Default)]
pub(super) struct Counters {
    connected: AtomicBool,
    /// Why there is no stream.
    why: Mutex<Option<String>>,
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    pub(super) unanswered: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
    deliveries: AtomicU64,
    broken: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
}

/// What lanes of processes that are gone have counted.
#[derive(Default)]
pub(super) struct Gone {
    broken: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
}

impl Gone {
    pub(super) fn take(&self, counters: &Counters) {
        self.broken.fetch_add(counters.broken.load(Relaxed), Relaxed);
        self.refused.fetch_add(counters.refused.load(Relaxed), Relaxed);
        self.late.fetch_add(counters.late.load(Relaxed), Relaxed);
    }

    pub(super) fn totals(&self) -> LaneTotals {
        LaneTotals {
            broken: self.broken.load(Relaxed),
            refused: self.refused.load(Relaxed),
            late: self.late.load(Relaxed),
        }
    }
}

impl Counters {
    /// There is a stream.
    pub(super) fn connected(&self) {
        self.connected.store(true, Relaxed);
        *self.why.lock() = None;
    }

    /// There is none.
    pub(super) fn broken(&self, why: String) {
        *self.why.lock() = Some(why);
        if self.connected.swap(false, Relaxed) {
            self.broken.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn sent(&self, bytes: usize, deliveries: u64) {
        self.batches.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.deliveries.fetch_add(deliveries, Relaxed);
    }

    pub(super) fn late(&self, calls: usize) {
        self.late.fetch_add(calls as u64, Relaxed);
    }

    pub(super) fn status(&self, process: Process, address: &str) -> LaneStatus {
        LaneStatus {
            process,
            address: address.to_owned(),
            connected: self.connected.load(Relaxed),
            why: self.why.lock().clone(),
            waiting: self.waiting.load(Relaxed),
            waiting_bytes: self.waiting_bytes.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            batches: self.batches.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            broken: self.broken.load(Relaxed),
            refused: self.refused.load(Relaxed),
            late: self.late.load(Relaxed),
        }
    }
}

/// Room in a lane for one call; given back when this is dropped.
pub(super) struct Room {
    counters: Arc<Counters>,
    bytes: u64,
}

impl Room {
    pub(super) fn take(
        counters: &Arc<Counters>,
        bytes: usize,
        options: &LaneOptions,
    ) -> Option<Self> {
        let before = counters.waiting.fetch_add(1, Relaxed);
        let bytes = bytes as u64;
        let waiting_bytes = counters.waiting_bytes.fetch_add(bytes, Relaxed) + bytes;
        let room = Self { counters: Arc::clone(counters), bytes };
        let fits = waiting_bytes <= options.waiting_bytes_max as u64 || before == 0;
        if fits && before < options.waiting_max.max(1) as u64 {
            return Some(room);
        }
        counters.refused.fetch_add(1, Relaxed);
        None
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.counters.waiting.fetch_sub(1, Relaxed);
        self.counters.waiting_bytes.fetch_sub(self.bytes, Relaxed);
    }
}
