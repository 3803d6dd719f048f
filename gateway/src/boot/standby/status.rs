//! How far a standby is, for whoever asks its operators' port.
//!
//! In: what the follower has reached, and what stands in its way. Out: lines and figures. Never: waits for the follower.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::watched::{Figure, Watched};

/// See the module.
#[derive(Debug)]
pub(super) struct Status {
    of: String,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    /// Everything before is durable here.
    at: u64,
    /// The other server's log was durable up to here when it answered last.
    durable: u64,
    /// When nothing was known to lack last.
    level: Instant,
    /// Bytes of base and log that were taken so far, while it takes them.
    taken: Option<u64>,
    /// Why nothing comes now.
    trouble: Option<String>,
}

impl Status {
    pub(super) fn new(of: &str) -> Arc<Self> {
        let (level, taken, trouble) = (Instant::now(), None, None);
        let now = Mutex::new(Now { at: 0, durable: 0, level, taken, trouble });
        Arc::new(Self { of: of.to_owned(), now })
    }

    /// Base and log are taken: so many bytes so far.
    pub(super) fn taking(&self, bytes: u64) {
        self.now.lock().taken = Some(bytes);
    }

    /// All up to `at` is here, of a log that is durable up to `durable`.
    pub(super) fn reached(&self, at: u64, durable: u64) {
        let mut now = self.now.lock();
        (now.at, now.durable, now.taken) = (at, durable, None);
        if at >= durable {
            now.level = Instant::now();
        }
    }

    /// Whether nothing was known to lack when the other server answered last.
    pub(super) fn is_level(&self) -> bool {
        let now = self.now.lock();
        now.at >= now.durable
    }

    /// What is here ends at `at`; the other server was not asked yet.
    pub(super) fn opened(&self, at: u64) {
        let mut now = self.now.lock();
        (now.at, now.taken) = (at, None);
    }

    /// Nothing comes now, for this reason; told once as long as it stays the same.
    pub(super) fn met(&self, why: &str) {
        let mut now = self.now.lock();
        if now.trouble.as_deref() != Some(why) {
            tracing::warn!("the standby gets nothing: {why}");
            now.trouble = Some(why.to_owned());
        }
    }

    /// It comes again.
    pub(super) fn over(&self) {
        if self.now.lock().trouble.take().is_some() {
            tracing::info!("the standby follows again");
        }
    }
}

impl Watched for Status {
    /// Whoever looks for a server to send clients to is told that this is none.
    fn missing(&self) -> Vec<String> {
        let now = self.now.lock();
        let of = &self.of;
        let line = match now.taken {
            Some(bytes) => format!("standby of {of}: taking base and log, {bytes} bytes so far"),
            None => format!(
                "standby of {of}: followed up to {}, {:.1} s behind",
                now.at,
                now.level.elapsed().as_secs_f64()
            ),
        };
        [line].into_iter().chain(now.trouble.clone()).collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let now = self.now.lock();
        show(Figure::StandbyFollowed, now.at as f64);
        show(Figure::StandbyLacks, now.durable.saturating_sub(now.at) as f64);
        show(Figure::StandbyBehind, now.level.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_and_what_stands_in_its_way() {
        let status = Status::new("http://a:1");
        status.taking(7);
        assert!(status.missing()[0].contains("taking base and log, 7 bytes"));
        status.reached(90, 100);
        status.met("away");
        let lines = status.missing();
        assert!(lines[0].contains("standby of http://a:1: followed up to 90"), "{lines:?}");
        assert_eq!(lines[1], "away");
        status.over();
        assert_eq!(status.missing().len(), 1);
        let mut figures = Vec::new();
        status.figures(&mut |figure, value| figures.push((figure, value)));
        assert_eq!(figures[..2], [(Figure::StandbyFollowed, 90.0), (Figure::StandbyLacks, 10.0)]);
    }
}
