//! Applied batches into the history store, and retention in the quiet moments between.
//!
//! In: [`StoreBatch`]es, one a shard at a time. Out: [`Done::Stored`] once durable. A batch that fails
//! is tried again until it succeeds: the log holds its records, so nothing is lost meanwhile, and the
//! shard stops taking records when too many wait. When trying again cannot help, the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use openim_record::StoreBatch;
use openim_storage::port::History;

use crate::{Done, Outlet};

/// Pause before a failed batch is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// News of retention go to a shard whose queue of answers is shorter than this.
const NEWS_MAX: usize = 16;
/// Inbox entries that one step of retention may remove.
const RETAIN_STEP: usize = 10_000;

/// How retention runs.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// History older than this goes; `None` keeps it forever.
    pub keep: Option<Duration>,
    /// Pause between two looks at the whole store.
    pub every: Duration,
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
    outlet: &Outlet,
    retention: Retention,
    status: &StoreStatus,
) {
    let mut next_look = Instant::now() + Duration::from_secs(5);
    loop {
        match batches.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
            Ok((shard, batch)) => {
                if store(history.as_ref(), &batch, status) {
                    let fits = outlet[usize::from(shard)].try_send(Done::Stored);
                    debug_assert!(fits.is_ok(), "one place is kept for this answer");
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let more = retain(history.as_ref(), outlet, retention.keep, status);
                next_look =
                    Instant::now() + if more { Duration::from_millis(50) } else { retention.every };
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn store(history: &dyn History, batch: &StoreBatch, status: &StoreStatus) -> bool {
    loop {
        match history.store(batch) {
            Ok(()) => {
                status.batches.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Err(cause) if !cause.retry() => {
                tracing::error!(%cause, "the history store cannot go on; restart replays the log");
                status.failures.fetch_add(1, Ordering::Relaxed);
                status.failed.store(true, Ordering::Release);
                return false;
            }
            Err(cause) => {
                tracing::error!(%cause, "cannot store history, trying again; the log has it");
                status.failures.fetch_add(1, Ordering::Relaxed);
                if status.give_up.load(Ordering::Acquire) {
                    return false;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

fn retain(
    history: &dyn History,
    outlet: &Outlet,
    keep: Option<Duration>,
    status: &StoreStatus,
) -> bool {
    let Some(keep) = keep else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let older_than = i64::try_from(now.saturating_sub(keep).as_millis()).unwrap_or(0);
    match history.retain(older_than, RETAIN_STEP) {
        Ok(report) => {
            status.expired.fetch_add(report.entries_removed, Ordering::Relaxed);
            if !report.raised.is_empty() {
                // A shard too busy for the news goes on with a lower minimum: it is only shown, the
                // store itself gives nothing below its own. So news never take the places of answers.
                for shard in outlet.iter().filter(|shard| shard.len() < NEWS_MAX) {
                    drop(shard.try_send(Done::Retained(report.raised.clone())));
                }
            }
            report.more
        }
        Err(cause) => {
            tracing::error!(%cause, "retention failed, trying again later");
            false
        }
    }
}
