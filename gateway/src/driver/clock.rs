//! The shard's clock: read once a turn.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use openim_shard::Now;

/// Monotonic from its creation, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            unix_ns: i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX),
        }
    }
}
