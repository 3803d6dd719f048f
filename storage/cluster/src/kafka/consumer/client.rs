//! A consumer's client: its end, and that it may wait for ever.
//!
//! Seen behind stalls of the brokers: a client that never came back into its group, nor to the end of leaving it. A debugger
//! showed it without a broker to ask; librdkafka's source suggests why: brokers that a stall has fenced are in no list that
//! others give for a moment, and a client that is given such a list forgets those that it knew.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use openim_record::broken;
use rdkafka::consumer::BaseConsumer;

use super::super::rebalance::Rebalances;

/// How long whoever leaves a group waits until that is heard.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// Clients of one consumer that have not come to their end: with so many, none is replaced for waiting.
const ENDS_MAX: usize = 4;
/// No client is given longer to get into its group.
const OUT_LONGEST: Duration = Duration::from_secs(300);

/// One client. It leaves its group with the value.
pub(super) struct Client(Option<BaseConsumer<Rebalances>>);

impl Client {
    pub(super) const fn new(client: BaseConsumer<Rebalances>) -> Self {
        Self(Some(client))
    }

    /// Leaves the group, and waits at most so long until that is heard. `under_way` is held until it was.
    pub(super) fn end(mut self, within: Duration, under_way: Arc<()>) {
        self.leave(within, under_way);
    }

    fn leave(&mut self, within: Duration, under_way: Arc<()>) {
        let Some(client) = self.0.take() else { return };
        let (left, heard) = sync_channel::<()>(1);
        let ended = std::thread::Builder::new().name("kafka-end".to_owned()).spawn(move || {
            drop(client);
            drop((left, under_way));
        });
        match ended {
            // Said by the end of the thread.
            Ok(_) => drop(heard.recv_timeout(within)),
            Err(error) => tracing::warn!(%error, "a client was ended in its consumer's thread"),
        }
    }
}

impl Deref for Client {
    type Target = BaseConsumer<Rebalances>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().unwrap_or_else(|| broken("a client is there until it ends"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.leave(LEAVE_WITHIN, Arc::default());
    }
}

/// How long a client has been without what its group gives it.
pub(super) struct Out {
    /// Longer than any sharing out takes, in which nobody is stuck.
    first: Duration,
    longest: Duration,
    since: Option<Instant>,
    /// Of clients that were replaced.
    pub(super) ends: Arc<()>,
}

impl Out {
    /// `sharing`: how long the others of a group are waited for while it is shared out anew.
    pub(super) fn new(sharing: Duration) -> Self {
        let first = sharing * 3 / 2;
        Self { first, longest: first, since: None, ends: Arc::default() }
    }

    /// Whether it is to be replaced: it waits for its group for too long. The next one is given twice as long. Who has its
    /// share needs no time.
    pub(super) fn is_stuck(&mut self, has_share: bool, now: impl FnOnce() -> Instant) -> bool {
        if has_share {
            (self.since, self.longest) = (None, self.first);
            return false;
        }
        let now = now();
        let since = *self.since.get_or_insert(now);
        let stuck = now.saturating_duration_since(since) >= self.longest
            && Arc::strong_count(&self.ends) <= ENDS_MAX;
        if stuck {
            (self.since, self.longest) =
                (None, (2 * self.longest).min(OUT_LONGEST.max(self.first)));
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_its_group_for_too_long_is_replaced_and_the_next_is_given_twice_as_long() {
        let (mut out, begun) = (Out::new(Duration::from_secs(30)), Instant::now());
        let mut stuck =
            |has_share, second| out.is_stuck(has_share, || begun + Duration::from_secs(second));
        let found: Vec<u64> = (0..400).filter(|second| stuck(false, *second)).collect();
        assert_eq!(found, [45, 136, 317]);
        assert!(!stuck(true, 400));
        assert!(!stuck(false, 401) && !stuck(false, 445) && stuck(false, 446));
    }

    #[test]
    fn nobody_is_replaced_while_too_many_do_not_end() {
        let (mut out, begun) = (Out::new(Duration::from_secs(30)), Instant::now());
        let mut ends: Vec<_> = (0..ENDS_MAX).map(|_| Arc::clone(&out.ends)).collect();
        let late = begun + Duration::from_secs(100);
        assert!(!out.is_stuck(false, || begun) && !out.is_stuck(false, || late));
        ends.pop();
        assert!(out.is_stuck(false, || late));
    }
}
