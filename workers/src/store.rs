//! Applied batches into the history store, and retention in the quiet moments between.
//!
//! In: [`StoreBatch`]es, one a shard at a time. Out: [`Done::Stored`] once durable. A batch that fails
//! is tried again until it succeeds: the log holds its records, so nothing is lost meanwhile, and the
//! shard stops taking records when too many wait. When trying again cannot help, the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use openim_record::StoreBatch;
use openim_storage::port::{Consume, History, StoreError, TooMuch, wait};

use crate::done::answer;
use crate::{Backlog, Clock, Done, Outlet, utc};

/// Pause before a failed batch is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// News of retention go to a shard whose queue of answers is shorter than this.
const NEWS_MAX: usize = 16;
/// Inbox entries that one step of retention may remove.
const RETAIN_STEP: usize = 10_000;
/// How often what need not be durable at once is made so: what a start has to do at most.
const SETTLE_EVERY: Duration = Duration::from_secs(3);
/// Pause between two steps of retention, so that batches come in between.
const STEP: Duration = Duration::from_millis(50);
/// Pause between two looks while the clock is in doubt.
const HELD: Duration = Duration::from_secs(3);
const HOUR_MS: i64 = 3_600_000;

/// How retention runs.
#[derive(Clone, Debug)]
pub struct Retention {
    /// History older than this goes; `None` keeps it forever.
    pub keep: Option<Duration>,
    /// Pause between two looks at the whole store.
    pub every: Duration,
    /// Hours of history that may go within one hour; 0: no bound.
    pub hours_per_hour: u32,
    /// Append time of the log's newest record at the start: up to then retention has kept up, unless
    /// the store knows better.
    pub newest_record_ms: Option<i64>,
    /// What it is judged by; nothing goes while that is in doubt.
    pub clock: Arc<Clock>,
}

/// Figures that other threads see.
#[derive(Debug, Default)]
pub struct StoreStatus {
    /// Durable batches so far.
    pub batches: AtomicU64,
    /// Failed attempts so far.
    pub failures: AtomicU64,
    /// Inbox entries removed by retention so far.
    pub expired: AtomicU64,
    /// The store will not take anything again until a restart.
    pub failed: AtomicBool,
    /// Stop trying failed batches: the process is ending, the log has the records.
    pub give_up: AtomicBool,
}

/// Stores until every handing end of the channel is gone.
pub fn run(
    batches: &Receiver<(u16, StoreBatch)>,
    history: &Arc<dyn History>,
    tail: &mut dyn Consume,
    outlet: &Outlet,
    retention: &Retention,
    (status, backlog): (&StoreStatus, &Backlog),
) {
    let mut pass = Pass::new();
    let mut next_look = Instant::now() + Duration::from_secs(5);
    let mut next_settle = Instant::now() + SETTLE_EVERY;
    loop {
        let until = next_look.min(next_settle);
        match batches.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((shard, batch)) => {
                if store(history.as_ref(), &batch, (status, backlog)) {
                    for &(partition, below) in &batch.applied {
                        tail.applied(partition, below);
                    }
                    answer(outlet, shard, Done::Stored);
                }
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < next_look => {}
            Err(RecvTimeoutError::Timeout) => {
                let pause = pass.look(history.as_ref(), outlet, retention, status);
                next_look = Instant::now() + pause;
            }
            Err(RecvTimeoutError::Disconnected) => {
                // The next start has nothing to read again.
                settle(history.as_ref(), status);
                return;
            }
        }
        if Instant::now() >= next_settle {
            settle(history.as_ref(), status);
            next_settle = Instant::now() + SETTLE_EVERY;
        }
    }
}

fn settle(history: &dyn History, status: &StoreStatus) {
    if let Err(cause) = wait(history.settle()) {
        status.failures.fetch_add(1, Ordering::Relaxed);
        // That a store is away is told by what stands around it.
        if !matches!(cause, StoreError::Unavailable { .. }) {
            tracing::error!(%cause, "the history store cannot go on; restart replays the log");
            status.failed.store(true, Ordering::Release);
        }
    }
}

fn store(
    history: &dyn History,
    batch: &StoreBatch,
    (status, backlog): (&StoreStatus, &Backlog),
) -> bool {
    loop {
        let stored = wait(history.store(batch));
        backlog.stored(stored.is_ok());
        match stored {
            Ok(()) => {
                status.batches.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            // Tried again, as the log has it. What stands around the store tells of it, once.
            Err(StoreError::Unavailable { .. }) => {
                status.failures.fetch_add(1, Ordering::Relaxed);
                if status.give_up.load(Ordering::Acquire) {
                    return false;
                }
                std::thread::sleep(RETRY);
            }
            // To load again is, on this engine, to start again; and what a log holds is not left out.
            Err(cause) => {
                tracing::error!(%cause, "the history store cannot go on; restart replays the log");
                status.failures.fetch_add(1, Ordering::Relaxed);
                status.failed.store(true, Ordering::Release);
                return false;
            }
        }
    }
}

/// Retention's way through the store.
struct Pass {
    looked_at: Instant,
    /// What was appended before has expired; `None` until the first look.
    cutoff_ms: Option<i64>,
    /// Entries removed, and the cutoff that was the last one said, since a line told of them.
    entries: u64,
    since_ms: Option<i64>,
    /// What went since because the archive was too large.
    too_much: Option<TooMuch>,
}

impl Pass {
    fn new() -> Self {
        let looked_at = Instant::now();
        Self { looked_at, cutoff_ms: None, entries: 0, since_ms: None, too_much: None }
    }

    /// Removes a little of what has expired; when to look again.
    fn look(
        &mut self,
        history: &dyn History,
        outlet: &Outlet,
        retention: &Retention,
        status: &StoreStatus,
    ) -> Duration {
        let Some(keep) = retention.keep else { return retention.every };
        let now = retention.clock.read();
        let passed_ms = i64::try_from(self.looked_at.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.looked_at = Instant::now();
        if now.in_doubt {
            return HELD;
        }
        let target_ms = now.trusted_ms - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let retained = self.last_ms(history, retention, target_ms).and_then(|last_ms| {
            let cutoff_ms = paced(last_ms, target_ms, passed_ms, retention.hours_per_hour);
            self.since_ms.get_or_insert(last_ms);
            self.cutoff_ms = Some(cutoff_ms);
            wait(history.retain(cutoff_ms, RETAIN_STEP))
        });
        match retained {
            Ok(report) => {
                status.expired.fetch_add(report.entries_removed, Ordering::Relaxed);
                self.entries += report.entries_removed;
                if let Some(now) = report.too_much {
                    let before = self.too_much.map_or(0, |before| before.bytes);
                    self.too_much = Some(TooMuch { bytes: before + now.bytes, ..now });
                }
                if !report.more {
                    self.tell_of_archive();
                    self.tell();
                }
                if !report.raised.is_empty() {
                    // A shard too busy for the news goes on with a lower minimum: it is only shown, the
                    // store itself gives nothing below its own. So news never take the places of answers.
                    for shard in outlet.iter().filter(|shard| shard.len() < NEWS_MAX) {
                        drop(shard.try_send(Done::Retained(report.raised.clone())));
                    }
                }
                if report.more { STEP } else { retention.every }
            }
            Err(StoreError::Unavailable { .. }) => retention.every,
            Err(cause) => {
                tracing::error!(%cause, "retention failed, trying again later");
                retention.every
            }
        }
    }

    /// Where the cutoff was at the last look, of this process or of an earlier one.
    fn last_ms(
        &self,
        history: &dyn History,
        retention: &Retention,
        target_ms: i64,
    ) -> Result<i64, StoreError> {
        if let Some(cutoff_ms) = self.cutoff_ms {
            return Ok(cutoff_ms);
        }
        let assumed_ms = || {
            let keep_ms = i64::try_from(retention.keep?.as_millis()).ok()?;
            Some(retention.newest_record_ms?.saturating_sub(keep_ms))
        };
        Ok(wait(history.retained_ms())?.or_else(assumed_ms).unwrap_or(target_ms))
    }

    /// One line when the archive had to be made smaller.
    fn tell_of_archive(&mut self) {
        let Some(TooMuch { bytes, newest_ms }) = self.too_much.take() else { return };
        tracing::warn!(
            bytes,
            to = utc(newest_ms),
            "the archive was larger than it may be: its oldest messages are gone \
             (archive.bytesMax, archive.groupBytesMax)"
        );
    }

    /// One line when more went than an hour brings.
    fn tell(&mut self) {
        let (Some(since_ms), Some(cutoff_ms)) = (self.since_ms.take(), self.cutoff_ms) else {
            return;
        };
        let entries = std::mem::take(&mut self.entries);
        if entries > 0 && cutoff_ms.saturating_sub(since_ms) > HOUR_MS {
            tracing::info!(
                entries,
                from = utc(since_ms),
                to = utc(cutoff_ms),
                "history expired: messages of this span can no longer be pulled \
                 (mongo.dbRetainChatRecords, limits.expiryHoursPerHour)"
            );
        }
    }
}

/// How far a cutoff that was at `last_ms` may be `passed_ms` later, on its way to `target_ms`.
pub fn paced(last_ms: i64, target_ms: i64, passed_ms: i64, hours_per_hour: u32) -> i64 {
    if hours_per_hour == 0 || target_ms <= last_ms {
        return target_ms;
    }
    let step_ms = passed_ms.clamp(0, HOUR_MS).saturating_mul(i64::from(hours_per_hour));
    last_ms.saturating_add(step_ms).min(target_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_expires_at_a_bounded_pace() {
        const DAY_MS: i64 = 24 * HOUR_MS;
        for (last_ms, target_ms, passed_ms, hours_per_hour, expected_ms) in [
            // In step with time: everything that has become due.
            (0, 600_000, 600_000, 24, 600_000),
            // Eight days late: a day an hour, and never more for an hour that took long.
            (0, 8 * DAY_MS, HOUR_MS, 24, DAY_MS),
            (0, 8 * DAY_MS, 5 * HOUR_MS, 24, DAY_MS),
            (0, 8 * DAY_MS, 5_000, 24, 120_000),
            (7 * DAY_MS, 8 * DAY_MS, HOUR_MS, 48, 8 * DAY_MS),
            // A clock that was set back, or a longer time to keep: nothing goes.
            (8 * DAY_MS, 0, HOUR_MS, 24, 0),
            (0, 800 * DAY_MS, 1, 0, 800 * DAY_MS),
        ] {
            let next_ms = paced(last_ms, target_ms, passed_ms, hours_per_hour);
            assert_eq!(next_ms, expected_ms, "{last_ms} {target_ms} {passed_ms}");
        }
    }
}
