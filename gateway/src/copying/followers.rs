//! Who follows the log, and how far behind each is.
//!
//! Owns a bounded list. In: each time that one asks. Out: figures. Who has not asked for an hour is forgotten; until then
//! their distance grows, for it is what would be lost.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Remembered at most; above it the one goes that asked longest ago.
const FOLLOWERS_MAX: usize = 16;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 200;
const FORGET: Duration = Duration::from_secs(60 * 60);
/// Who asked within this time is there.
const THERE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Follower {
    name: String,
    /// All before this position is durable there.
    from: u64,
    /// Since when it lacks something, unix milliseconds, if it does.
    since_ms: i64,
    asked: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<Vec<Follower>>);

impl Followers {
    /// This one has everything before `from`; what it lacks was appended from `since_ms` on, or later.
    pub(super) fn has(&self, name: &str, from: u64, since_ms: i64) {
        let name: String = name.chars().take(NAME_BYTES_MAX / 4).collect();
        let mut all = self.0.lock();
        all.retain(|follower| follower.name != name);
        if all.len() >= FOLLOWERS_MAX {
            // Those who asked last are last.
            all.remove(0);
        }
        all.push(Follower { name, from, since_ms, asked: Instant::now() });
    }

    /// How many are there, and how many seconds the one that is furthest behind is, when the log is durable up to `durable`.
    pub(super) fn figures(&self, durable: u64, now_ms: i64) -> (usize, f64) {
        let mut all = self.0.lock();
        all.retain(|follower| follower.asked.elapsed() < FORGET);
        let there = all.iter().filter(|follower| follower.asked.elapsed() < THERE).count();
        let lacking = all.iter().filter(|follower| follower.from < durable);
        let behind = lacking.map(|follower| now_ms.saturating_sub(follower.since_ms)).max();
        (there, behind.unwrap_or(0).max(0) as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_behind_counts_and_the_number_is_bounded() {
        let followers = Followers::default();
        assert_eq!(followers.figures(500, 9_000), (0, 0.0));
        followers.has("one", 500, 1_000);
        followers.has("two", 400, 6_500);
        assert_eq!(followers.figures(500, 9_000), (2, 2.5), "who lacks nothing is not behind");
        assert_eq!(followers.figures(501, 9_000), (2, 8.0));
        followers.has("one", 501, 9_000);
        followers.has("two", 501, 9_000);
        assert_eq!(followers.figures(501, 9_900), (2, 0.0));
        for number in 0..100 {
            followers.has(&format!("{number}"), 1, 1);
        }
        assert_eq!(followers.figures(1, 1).0, FOLLOWERS_MAX);
    }
}
