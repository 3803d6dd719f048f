//! The shard's clock: read once a turn.

use std::sync::Arc;

use openim_auth::Moment;
use openim_shard::Now;

/// Monotonic from its creation, and the process's clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    process: Arc<openim_workers::Clock>,
    started_ms: u64,
}

impl Clock {
    pub(crate) fn new(process: Arc<openim_workers::Clock>) -> Self {
        let started_ms = process.read().mono_ms;
        Self { process, started_ms }
    }

    pub(crate) fn now(&self) -> Now {
        let reading = self.process.read();
        Now {
            mono_ms: reading.mono_ms.saturating_sub(self.started_ms),
            unix_ns: reading.unix_ns,
            trusted_ms: reading.trusted_ms,
        }
    }
}

/// What tokens are judged by.
pub(crate) fn moment(now: Now) -> Moment {
    Moment { clock: now.unix_s(), trusted: now.trusted_s() }
}
