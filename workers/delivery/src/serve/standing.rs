//! How many streams stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// See the module. Copies are of one and the same.
#[derive(Clone, Debug, Default)]
pub struct Streams(Arc<AtomicUsize>);

impl Streams {
    /// How many do now: of transfers that have shown the secret and speak as we do.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// One more, until what this gives goes.
    pub(super) fn one_more(&self) -> Stands {
        self.0.fetch_add(1, Relaxed);
        Stands(Arc::clone(&self.0))
    }
}

pub(super) struct Stands(Arc<AtomicUsize>);

impl Drop for Stands {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
