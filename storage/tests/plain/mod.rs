//! A history in memory that keeps records and stores a batch in many writes, as an engine over a network does: entries,
//! bounds, then duplicates and the applied position. It can be killed between any two.
//!
//! In: batches with their records. Out: what the port promises. Never: an entry above `newest` that is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use openim_record::{
    Body, DuplicateEntry, InboxBounds, InboxRun, PartitionId, Position, Seq, StoreBatch,
    StoredState, UserId,
};
use openim_storage::port::{Entry, History, Range, RetainReport, StoreError};

/// What outlives the process.
#[derive(Default)]
pub(crate) struct Disk {
    entries: BTreeMap<(UserId, Seq), (Position, Body)>,
    inboxes: BTreeMap<UserId, InboxBounds>,
    duplicates: BTreeMap<(PartitionId, Position), Vec<DuplicateEntry>>,
    applied: BTreeMap<PartitionId, Position>,
    retained_ms: Option<i64>,
}

/// See the module.
pub(crate) struct PlainHistory {
    disk: Arc<Mutex<Disk>>,
    /// Writes that are still made before the process is killed.
    writes_left: Mutex<Option<usize>>,
}

impl PlainHistory {
    pub(crate) fn open(disk: &Arc<Mutex<Disk>>, writes_left: Option<usize>) -> Self {
        Self { disk: Arc::clone(disk), writes_left: Mutex::new(writes_left) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no test panics with it")
    }

    /// One write, unless the process was killed before it.
    fn write(&self, change: impl FnOnce(&mut Disk)) -> Result<(), StoreError> {
        let mut left = self.writes_left.lock().expect("no test panics with it");
        if let Some(left) = left.as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| StoreError::Unavailable {
                what: "writing to the plain store".to_owned(),
                cause: "the process was killed".into(),
            })?;
        }
        change(&mut self.disk());
        Ok(())
    }

    /// Whether a run goes on where its inbox ends, or says of stored entries what is stored.
    fn check(&self, run: &InboxRun) -> Result<(), StoreError> {
        let disk = self.disk();
        let newest = disk.inboxes.get(&run.user).copied().unwrap_or_default().newest;
        let conflict = |seq: Seq| StoreError::Conflict {
            what: format!("storing the inbox of {}", run.user),
            cause: format!("seq {seq} does not go on behind {newest}").into(),
        };
        if run.first.0 == 0 || run.first > newest.next() {
            return Err(conflict(run.first));
        }
        let last = disk.entries.get(&(run.user.clone(), newest)).map(|(position, _)| *position);
        for (seq, position) in (run.first.0..).map(Seq).zip(&run.positions) {
            let stored = disk.entries.get(&(run.user.clone(), seq));
            let same = match seq <= newest {
                // What has expired cannot be compared any more.
                true => stored.is_none_or(|(stored, _)| stored == position),
                false => last.is_none_or(|last| *position > last),
            };
            if !same {
                return Err(conflict(seq));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl History for PlainHistory {
    async fn store(&self, batch: &StoreBatch) -> Result<(), StoreError> {
        for run in &batch.runs {
            self.check(run)?;
        }
        for InboxRun { user, first, positions, records } in &batch.runs {
            assert_eq!(positions.len(), records.len(), "a batch brings its records");
            let kept = self.disk().inboxes.get(user).copied().unwrap_or_default();
            let new = (first.0..).map(Seq).zip(positions.iter().zip(records));
            for (seq, (position, body)) in new.filter(|(seq, _)| *seq > kept.newest) {
                let entry = (*position, body.clone());
                self.write(|disk| drop(disk.entries.insert((user.clone(), seq), entry)))?;
            }
            let newest = kept.newest.max(Seq(first.0 + positions.len() as u64 - 1));
            let through = kept.through.max(Position(positions[positions.len() - 1].0 + 1));
            let min = kept.min.max(Seq(1));
            let bounds = InboxBounds { min, newest, through };
            self.write(|disk| *disk.inboxes.entry(user.clone()).or_default() = bounds)?;
        }
        for (partition, entries) in batch.duplicates.iter().filter(|(_, new)| !new.is_empty()) {
            let stored = self.disk().applied.get(partition).copied();
            let new = batch.applied.iter().find(|(other, _)| other == partition);
            let Some((_, applied)) = new.filter(|(_, new)| stored.is_none_or(|old| old < *new))
            else {
                continue;
            };
            let page = (*partition, *applied);
            self.write(|disk| drop(disk.duplicates.insert(page, entries.clone())))?;
        }
        for &(partition, applied) in &batch.applied {
            self.write(|disk| {
                let stored = disk.applied.entry(partition).or_default();
                *stored = applied.max(*stored);
            })?;
        }
        for &(partition, kept) in &batch.duplicates_kept {
            self.write(|disk| disk.drop_duplicates(partition, kept))?;
        }
        Ok(())
    }

    async fn recover(&self, partition: PartitionId) -> Result<StoredState, StoreError> {
        let disk = self.disk();
        let applied = disk.applied.get(&partition).copied().unwrap_or_default();
        let pages = disk.duplicates.range((partition, Position(0))..=(partition, applied));
        let duplicates = pages.flat_map(|(_, page)| page).copied().collect();
        Ok(StoredState { partition, applied, duplicates })
    }

    async fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError> {
        let disk = self.disk();
        Ok(users.iter().map(|user| disk.inboxes.get(user).copied().unwrap_or_default()).collect())
    }

    async fn range(
        &self,
        user: &UserId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Range, StoreError> {
        let disk = self.disk();
        let bounds = disk.inboxes.get(user).copied().unwrap_or_default();
        let (mut range, mut bytes) = (Range::default(), 0);
        let (from, to) = (from.max(bounds.min), to.min(bounds.newest));
        if from > to {
            return Ok(range);
        }
        for ((_, seq), (position, body)) in
            disk.entries.range((user.clone(), from)..=(user.clone(), to))
        {
            if bytes >= bytes_max && !range.entries.is_empty() {
                range.next = Some(*seq);
                break;
            }
            bytes += body.bytes.len();
            let record = Ok(Box::from(&*body.bytes));
            range.entries.push(Entry { seq: *seq, position: *position, record });
        }
        Ok(range)
    }

    async fn retained_ms(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.disk().retained_ms)
    }

    async fn retain(
        &self,
        older_than_ms: i64,
        entries_max: usize,
    ) -> Result<RetainReport, StoreError> {
        let mut report = RetainReport::default();
        let mut disk = self.disk();
        disk.retained_ms = Some(older_than_ms);
        let disk = &mut *disk;
        for (user, bounds) in disk.inboxes.iter_mut().filter(|(_, inbox)| inbox.min <= inbox.newest)
        {
            let inbox = (user.clone(), bounds.min)..=(user.clone(), bounds.newest);
            let old = |body: &Body| body.append_ms < older_than_ms;
            let room = entries_max - report.entries_removed as usize;
            let mut expired = disk
                .entries
                .range(inbox)
                .take_while(|(_, (_, body))| old(body))
                .map(|(key, _)| key.clone());
            let keys: Vec<_> = expired.by_ref().take(room).collect();
            report.more |= expired.next().is_some();
            let Some((_, last)) = keys.last() else { continue };
            bounds.min = last.next();
            report.raised.push((user.clone(), bounds.min));
            report.entries_removed += keys.len() as u64;
            for key in keys {
                disk.entries.remove(&key);
            }
        }
        Ok(report)
    }
}

impl Disk {
    /// Drops the oldest pages without which there are still enough.
    fn drop_duplicates(&mut self, partition: PartitionId, kept: usize) {
        let all = (partition, Position(0))..=(partition, Position(u64::MAX));
        let mut total: usize = self.duplicates.range(all.clone()).map(|(_, page)| page.len()).sum();
        let pages: Vec<_> =
            self.duplicates.range(all).map(|(key, page)| (*key, page.len())).collect();
        for (key, entries) in pages {
            if total - entries < kept {
                break;
            }
            total -= entries;
            self.duplicates.remove(&key);
        }
    }
}
