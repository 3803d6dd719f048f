//! The port: what a role that reads inboxes asks for, and batches as the port has them.
//!
//! An owner stores by calls of its own (`owner`). Batches of the port have no topic, so their partitions lie apart from
//! those of topics; they are compared with what is stored before anything is written.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::bson::{doc, rawdoc};
use openim_record::{
    Content, Contradiction, Document, DuplicateEntry, InboxBounds, InboxRun, PartitionId, Position,
    Raise, Seq, StoreBatch, StoredState, UserId,
};
use openim_storage::port::{History, Range, RetainReport, StoreError};

use super::fault::contradicts;
use super::server::{CHECKPOINTS, ENTRIES, META, PAGES, Server, USERS, first};
use super::writes::{ASKED, Writer};
use super::{MongoHistory, shapes};

#[async_trait]
impl History for MongoHistory {
    async fn store(&self, batch: &StoreBatch) -> Result<(), StoreError> {
        let batch = batch.clone();
        self.call("storing a batch", move |server, what| async move {
            server.store(&what, &batch).await
        })
        .await
    }

    async fn recover(&self, partition: PartitionId) -> Result<StoredState, StoreError> {
        self.call("recovering a partition", move |server, what| async move {
            server.recover(&what, partition).await
        })
        .await
    }

    async fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError> {
        let users = users.to_vec();
        self.call("reading bounds", move |server, what| async move {
            let bounds = server.bounds(&what, &users).await?;
            server.has_all_of(&what, &users).await?;
            Ok(bounds)
        })
        .await
    }

    async fn range(
        &self,
        user: &UserId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Range, StoreError> {
        let user = user.clone();
        self.call("reading a range", move |server, what| async move {
            let range = server.range(&what, &user, (from, to), bytes_max).await?;
            server.has_all_of(&what, &[user]).await?;
            Ok(range)
        })
        .await
    }

    async fn retained_ms(&self) -> Result<Option<i64>, StoreError> {
        self.call("reading what has expired", |server, what| async move {
            let stored = server.one(&what, META, doc! { "_id": "retained" }).await?;
            Ok(stored.and_then(|stored| stored.get_i64("t").ok()))
        })
        .await
    }

    async fn retain(
        &self,
        older_than_ms: i64,
        entries_max: usize,
    ) -> Result<RetainReport, StoreError> {
        self.call("expiring history", move |server, what| async move {
            server.retain(&what, older_than_ms, entries_max).await
        })
        .await
    }
}

impl Server {
    /// Bounds of each; zeros for those never seen.
    pub(super) async fn bounds(
        &self,
        what: &str,
        users: &[UserId],
    ) -> Result<Vec<InboxBounds>, StoreError> {
        let mut stored: HashMap<UserId, InboxBounds> = HashMap::with_capacity(users.len());
        for users in users.chunks(ASKED) {
            let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
            let filter = doc! { "_id": { "$in": ids } };
            self.each(what, USERS, filter, first(users.len()), |user| {
                let read = shapes::bounds(user);
                stored.extend([read.map_err(|cause| self.malformed(USERS, "", cause))?]);
                Ok(true)
            })
            .await?;
        }
        Ok(users.iter().map(|user| stored.get(user).copied().unwrap_or_default()).collect())
    }

    async fn store(&self, what: &str, batch: &StoreBatch) -> Result<(), StoreError> {
        let generation = self.generation(what).await?;
        let users: Vec<UserId> = batch.runs.iter().map(|run| run.user.clone()).collect();
        let stored = self.bounds(what, &users).await?;
        for (run, bounds) in batch.runs.iter().zip(&stored) {
            self.check_run(what, run, *bounds).await?;
        }
        let (mut entries, mut raises) = (Vec::new(), Vec::new());
        for (run, bounds) in batch.runs.iter().zip(stored) {
            let new = entries_of(run).filter(|entry| entry.seq > bounds.newest);
            let begin = entries.len();
            entries.extend(new);
            if let (Some(oldest), Some(newest)) = (entries.get(begin), entries.last()) {
                let through = Position(newest.position.0 + 1);
                let raise = Raise {
                    user: run.user.clone(),
                    first: oldest.seq,
                    newest: newest.seq,
                    through,
                };
                raises.push((raise, oldest.sent_ms));
            }
        }
        // Entries of one user may come of several partitions' batches; of no topic in any case.
        let of = |partition| Writer {
            server: self,
            what,
            generation,
            p: shapes::number_of_none(partition),
        };
        let writer = of(PartitionId(0));
        writer.entries(&entries).await?;
        writer.raise(&raises).await?;
        for (partition, new) in &batch.duplicates {
            let applied = batch.applied.iter().find(|(other, _)| other == partition);
            if let Some((_, applied)) = applied {
                of(*partition).duplicates(*applied, new).await?;
            }
        }
        for &(partition, applied) in &batch.applied {
            let applied = shapes::signed(what, applied.0)?;
            let update = rawdoc! {
                "q": { "_id": shapes::number_of_none(partition) },
                "u": { "$max": { "o": applied } },
                "upsert": true,
            };
            of(partition).update(CHECKPOINTS, vec![update]).await?;
        }
        for &(partition, kept) in &batch.duplicates_kept {
            self.drop_duplicates(what, partition, kept).await?;
        }
        Ok(())
    }

    /// Whether a run goes on where its inbox ends, or says of stored entries what is stored.
    async fn check_run(
        &self,
        what: &str,
        run: &InboxRun,
        bounds: InboxBounds,
    ) -> Result<(), StoreError> {
        let user = &run.user;
        let conflict = |contradiction| Err(contradicts(what, contradiction));
        if run.first == Seq(0) || run.first > bounds.newest.next() {
            return conflict(Contradiction::Density(user.clone(), run.first));
        }
        let mut new = entries_of(run).filter(|entry| entry.seq > bounds.newest);
        if let Some(stale) = new.find(|entry| entry.position < bounds.through) {
            return conflict(Contradiction::Document(user.clone(), stale.seq));
        }
        if run.first > bounds.newest {
            return Ok(());
        }
        let mut stored = HashMap::new();
        let filter = shapes::of_inbox(user, run.first, bounds.newest);
        self.each(what, ENTRIES, filter, first(run.positions.len()), |entry| {
            let read = shapes::seq(entry).and_then(|seq| Ok((seq, shapes::position(entry)?)));
            stored.extend([read.map_err(|cause| self.malformed(ENTRIES, user, cause))?]);
            Ok(true)
        })
        .await?;
        let other = |entry: &Document| {
            stored.get(&entry.seq).is_some_and(|position| *position != entry.position)
        };
        match entries_of(run).find(other) {
            Some(entry) => conflict(Contradiction::Document(user.clone(), entry.seq)),
            None => Ok(()),
        }
    }

    async fn recover(&self, what: &str, partition: PartitionId) -> Result<StoredState, StoreError> {
        let p = shapes::number_of_none(partition);
        let applied = self.applied(what, p).await?;
        let mut duplicates = Vec::new();
        let through = doc! { "p": p, "o": shapes::clamped(applied.0) };
        let filter = doc! { "_id": { "$gte": { "p": p }, "$lte": through } };
        self.each(what, PAGES, filter, first(usize::MAX), |page| {
            let keys = page.get_binary("k");
            let keys = keys.map_err(|cause| self.malformed(PAGES, p, cause))?.bytes;
            duplicates.extend(shapes::read_keys(keys).map(|(sent, append_ms, key)| {
                DuplicateEntry { key, send_time_ns: sent.cast_signed(), append_ms }
            }));
            Ok(true)
        })
        .await?;
        Ok(StoredState { partition, applied, duplicates })
    }

    async fn applied(&self, what: &str, p: i32) -> Result<Position, StoreError> {
        let Some(stored) = self.one(what, CHECKPOINTS, doc! { "_id": p }).await? else {
            return Ok(Position(0));
        };
        shapes::position(&stored).map_err(|cause| self.malformed(CHECKPOINTS, p, cause))
    }

    /// Drops the oldest pages without which there are still enough keys.
    async fn drop_duplicates(
        &self,
        what: &str,
        partition: PartitionId,
        kept: usize,
    ) -> Result<(), StoreError> {
        let p = shapes::number_of_none(partition);
        let mut pages = Vec::new();
        let mut options = first(usize::MAX);
        options.projection = Some(doc! { "c": 1 });
        self.each(what, PAGES, doc! { "_id": shapes::of_partition(p) }, options, |page| {
            let read = || Ok((page.get_document("_id")?.get_i64("o")?, page.get_i32("c")?));
            let (end, count) = read()
                .map_err(|cause: mongodb::bson::error::Error| self.malformed(PAGES, p, cause))?;
            pages.push((end, usize::try_from(count).unwrap_or_default()));
            Ok(true)
        })
        .await?;
        let mut left: usize = pages.iter().map(|(_, count)| count).sum();
        let mut last = None;
        for (end, count) in pages {
            if left - count < kept {
                break;
            }
            left -= count;
            last = Some(end);
        }
        let Some(last) = last else { return Ok(()) };
        let old = doc! { "_id": { "$gte": { "p": p }, "$lte": { "p": p, "o": last } } };
        self.delete(what, PAGES, vec![old]).await.map(drop)
    }
}

impl Writer<'_> {
    /// Keys of a partition up to `applied`; they are stored already when that is.
    async fn duplicates(
        &self,
        applied: Position,
        new: &[DuplicateEntry],
    ) -> Result<(), StoreError> {
        if new.is_empty() || self.server.applied(self.what, self.p).await? >= applied {
            return Ok(());
        }
        let keys = new
            .iter()
            .map(|entry| (entry.send_time_ns.cast_unsigned(), entry.append_ms, entry.key));
        let newest_ms = new.iter().map(|entry| entry.append_ms).max().unwrap_or_default();
        let keys = shapes::keys(keys);
        self.put(shapes::page_of(self.what, self.p, applied, newest_ms, &keys)?).await
    }
}

/// The entries of a run, which brings its records.
fn entries_of(run: &InboxRun) -> impl Iterator<Item = Document> {
    let seqs = (run.first.0..).map(Seq);
    seqs.zip(run.positions.iter().zip(&run.records)).map(|(seq, (position, record))| Document {
        user: run.user.clone(),
        seq,
        position: *position,
        sent_ms: record.append_ms,
        content: Content::Own(record.bytes.clone()),
    })
}
