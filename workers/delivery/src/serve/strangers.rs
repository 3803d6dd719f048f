//! What comes to the port of deliveries and is no transfer: counted, and told of now and then, so that who tries ports does
//! not fill the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often one is told of.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// See the module. Copies are of one and the same.
#[derive(Clone, Debug)]
pub struct Strangers(Arc<Met>);

#[derive(Debug)]
struct Met {
    begun: Instant,
    count: AtomicU64,
    /// Of these such as had another secret.
    secrets: AtomicU64,
    /// How many were counted when one was told of last.
    told: AtomicU64,
    /// When the next one is told of, in milliseconds since the beginning.
    next_ms: AtomicU64,
}

impl Default for Strangers {
    fn default() -> Self {
        let begun = Instant::now();
        let [count, secrets, told, next_ms] = [const { AtomicU64::new(0) }; 4];
        Self(Arc::new(Met { begun, count, secrets, told, next_ms }))
    }
}

impl Strangers {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count.load(Relaxed)
    }

    /// How many of them had another secret.
    #[must_use]
    pub fn with_another_secret(&self) -> u64 {
        self.0.secrets.load(Relaxed)
    }

    /// One more, with another secret.
    pub(super) fn met_with_another_secret(&self, peer: SocketAddr) {
        self.0.secrets.fetch_add(1, Relaxed);
        self.met(peer, "a stream of deliveries has another secret: cluster.secret must be the same in all processes");
    }

    /// One more.
    pub(super) fn met(&self, peer: SocketAddr, what: &str) {
        let now_ms = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(untold) = self.note(now_ms) {
            tracing::warn!(%peer, untold, "{what}");
        }
    }

    /// Whether it is told of, and of how many before it nothing was said.
    fn note(&self, now_ms: u64) -> Option<u64> {
        let Met { count, told, next_ms, .. } = &*self.0;
        let all = count.fetch_add(1, Relaxed) + 1;
        let next = next_ms.load(Relaxed);
        let again = now_ms.saturating_add(TOLD_EVERY.as_millis() as u64);
        // Of several at once one is told of.
        let first =
            now_ms >= next && next_ms.compare_exchange(next, again, Relaxed, Relaxed).is_ok();
        first.then(|| all.saturating_sub(told.swap(all, Relaxed) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_one_line_every_now_and_then_that_says_how_many() {
        let strangers = Strangers::default();
        assert_eq!(strangers.note(3), Some(0));
        for ms in 3..1_003 {
            assert_eq!(strangers.note(ms), None);
        }
        assert_eq!(strangers.note(10_003), Some(1_000));
        assert_eq!(strangers.note(10_004), None);
        assert_eq!(strangers.note(40_000), Some(1));
        assert_eq!(strangers.count(), 1_004);
    }
}
