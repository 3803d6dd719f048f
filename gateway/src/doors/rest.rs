//! What REST has under way on one shard: requests without an answer, bytes of bodies, bytes of answers.

use std::cell::Cell;

use tokio::sync::Notify;

use super::{Count, Place};

/// What a page of an answer is reckoned to need before it is made.
pub(crate) const PAGE_BYTES: usize = 160 << 10;
/// The least sum of answers that works.
pub(crate) const SUM_MIN: usize = 4 * PAGE_BYTES;

/// See the module.
pub(crate) struct RestLoad {
    requests: Count,
    body_bytes: Cell<usize>,
    answer_bytes: Cell<usize>,
    answer_bytes_max: usize,
    room: Notify,
}

impl RestLoad {
    pub(crate) fn new(answer_bytes_max: usize) -> Self {
        Self {
            requests: Count::default(),
            body_bytes: Cell::new(0),
            answer_bytes: Cell::new(0),
            answer_bytes_max,
            room: Notify::new(),
        }
    }

    /// A request is not answered, until its place is dropped; also when its client goes away before.
    pub(crate) fn request(&self) -> Place {
        self.requests.enter()
    }

    pub(crate) fn requests_len(&self) -> usize {
        self.requests.len()
    }

    /// Counts bytes of bodies, if all stay within `max`; whether they do.
    pub(crate) fn take_body(&self, bytes: usize, max: usize) -> bool {
        let all = self.body_bytes.get() + bytes;
        let fits = all <= max;
        if fits {
            self.body_bytes.set(all);
        }
        fits
    }

    pub(crate) fn give_body(&self, bytes: usize) {
        self.body_bytes.set(self.body_bytes.get() - bytes);
    }

    /// Bytes of answers that their clients have not taken.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes.get()
    }

    pub(crate) fn answer_bytes_max(&self) -> usize {
        self.answer_bytes_max
    }

    /// What had `before` bytes has so many now: whoever waits for room looks again.
    pub(crate) fn answer_becomes(&self, before: usize, bytes: usize) {
        self.answer_bytes.set(self.answer_bytes.get() - before + bytes);
        self.room.notify_one();
    }

    /// Until there may be more room for answers.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }
}
