//! Permits that count: how many links there are, against the configured maximum.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded number of permits, shared by all shards; touched when a link comes and goes.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    taken: Arc<AtomicUsize>,
    /// Counts against the peer's address as well, where that is limited.
    pub(crate) address: Option<Box<super::addresses::Counted>>,
}

impl Permits {
    /// `max` permits; 0 is no limit.
    pub(crate) fn new(max: usize) -> Self {
        let max = if max == 0 { usize::MAX } else { max };
        Self { taken: Arc::new(AtomicUsize::new(0)), max }
    }

    /// Takes one, if one is left.
    pub(crate) fn take(&self) -> Option<Permit> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { taken: Arc::clone(&self.taken), address: None };
        (before < self.max).then_some(permit)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_maximum_and_each_comes_back() {
        let permits = Permits::new(2);
        let (one, two) = (permits.take(), permits.take());
        assert!(one.is_some() && two.is_some() && permits.take().is_none());
        drop(one);
        assert!(permits.take().is_some());
        drop(two);
        assert_eq!(permits.taken(), 0);
    }
}
