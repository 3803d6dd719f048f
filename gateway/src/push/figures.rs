//! What offline push shows of itself.

use std::sync::atomic::{AtomicU64, Ordering};

use std::sync::Arc;

use openim_push::Sender;

use crate::watched::{Figure, Watched};

/// A count that one thread raises and others see.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

/// What the thread counts.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// Messages in inboxes that were asked about.
    pub(super) asked: Count,
    /// Of these: a mobile terminal had it.
    pub(super) reached: Count,
    /// Of these: the receiver wants no notice of that conversation.
    pub(super) unwanted: Count,
    /// Of these: no service reaches the receiver.
    pub(super) unreachable: Count,
    /// Of these: the inbox has it not.
    pub(super) absent: Count,
    /// Messages that were too old when they were read.
    pub(super) old: Count,
    behind: AtomicU64,
    waiting: AtomicU64,
}

impl Status {
    pub(super) fn behind(&self, bytes: u64, waiting: usize) {
        self.behind.store(bytes, Ordering::Relaxed);
        self.waiting.store(waiting as u64, Ordering::Relaxed);
    }
}

/// See the module.
pub(crate) struct Figures {
    pub(super) status: Arc<Status>,
    pub(super) sender: Sender,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.status.fmt(f)
    }
}

impl Watched for Figures {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let status = &self.status;
        let (mut waiting, mut failures) = (0, 0);
        let (mut sent, mut retried, mut dropped) = (0, 0, [0_u64; 7]);
        for (_, counts, under_way) in self.sender.counts() {
            waiting += under_way;
            for (name, count) in counts.each() {
                match name {
                    "sent" => sent += count,
                    "retried" => retried += count,
                    "read" => dropped[0] += count,
                    "old" => dropped[1] += count,
                    "failed" => dropped[2] += count,
                    "credentials" => dropped[3] += count,
                    "refused" => dropped[4] += count,
                    "gone" => dropped[5] += count,
                    "full" => dropped[6] += count,
                    _ => failures += count,
                }
            }
        }
        debug_assert_eq!(failures, 0, "each count has a figure");
        let [read, old, failed, credentials, refused, gone, full] = dropped.map(|n| n as f64);
        let waiting = waiting as f64 + status.waiting.load(Ordering::Relaxed) as f64;
        show(Figure::PushBehind, status.behind.load(Ordering::Relaxed) as f64);
        show(Figure::PushWaiting, waiting);
        show(Figure::PushAsked, status.asked.get());
        show(Figure::PushReached, status.reached.get() + read);
        show(Figure::PushUnwanted, status.unwanted.get());
        show(Figure::PushUnreachable, status.unreachable.get());
        show(Figure::PushAbsent, status.absent.get());
        show(Figure::PushOld, status.old.get() + old);
        show(Figure::PushSent, sent as f64);
        show(Figure::PushRetried, retried as f64);
        show(Figure::PushFailed, failed);
        show(Figure::PushCredentials, credentials);
        show(Figure::PushRefused, refused);
        show(Figure::PushGone, gone);
        show(Figure::PushFull, full);
    }
}
