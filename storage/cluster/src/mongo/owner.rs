//! What the owner of a partition needs of its store: the partition as it begins, users, batches, and the checkpoint, which
//! is compared and set here (R3, R4).
//!
//! Writes name the generation that was loaded from: they fail when another process of the store answers since.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mongodb::bson::{RawDocumentBuf, doc, raw::cstr, rawdoc};
use openim_record::{
    Batch, Checkpoint, Content, Contradiction, Document, LoadedUser, LogPartition, Message,
    PageEntry, Position, Raise, Seq, UserId,
};
use openim_storage::port::StoreError;

use super::fault::contradicts;
use super::generation::Generation;
use super::server::{BODIES, CHECKPOINTS, ENTRIES, PAGES, Server, backwards, first};
use super::writes::Writer;
use super::{MongoHistory, shapes};

/// How much later, in append time, old pages are looked for again.
const PRUNE_EVERY_MS: i64 = 60_000;
/// Pages that one look finds.
const PRUNED: usize = 10_000;

/// A partition as it is stored.
#[derive(Clone, Debug)]
pub struct StoredPartition {
    /// What writes that build on it name.
    pub generation: Generation,
    /// The last one, if there ever was any; it was read first.
    pub checkpoint: Option<Checkpoint>,
    /// Keys of the pages within the window, in any order, perhaps several times; the newest
    /// ([`super::Options::keys_max`]).
    pub pages: Vec<PageEntry>,
}

impl MongoHistory {
    /// Which process of the store answers. When it changes, owners load again.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.server.generations.now()
    }

    /// What an owner begins with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_partition(&self, at: LogPartition) -> Result<StoredPartition, StoreError> {
        self.call("loading a partition", move |server, what| async move {
            let generation = server.generation(&what).await?;
            let p = shapes::number(at);
            let checkpoint = server.checkpoint(&what, p).await?;
            let pages = server.pages(&what, p, checkpoint.as_ref()).await?;
            server.check(&what, generation).await?;
            Ok(StoredPartition { generation, checkpoint, pages })
        })
        .await
    }

    /// The checkpoints of all partitions, with what writes that build on them name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn checkpoints(
        &self,
    ) -> Result<(Generation, Vec<(LogPartition, Checkpoint)>), StoreError> {
        self.call("reading checkpoints", move |server, what| async move {
            let generation = server.generation(&what).await?;
            let mut all = Vec::new();
            // Those of batches without a topic are none of owners.
            let filter = doc! { "hw": { "$exists": true } };
            server
                .each(&what, CHECKPOINTS, filter, first(usize::MAX), |stored| {
                    let p = stored.get_i32("_id").unwrap_or_default();
                    let read = shapes::partition(p).zip(shapes::read_checkpoint(stored));
                    all.push(
                        read.ok_or_else(|| {
                            server.malformed(CHECKPOINTS, p, "it is no checkpoint")
                        })?,
                    );
                    Ok(true)
                })
                .await?;
            server.check(&what, generation).await?;
            Ok((generation, all))
        })
        .await
    }

    /// Users as they are stored, with their entries of records at or above `from`, which is the owner's checkpoint. In
    /// the same order; those never seen as well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_users(
        &self,
        from: Position,
        users: Vec<UserId>,
    ) -> Result<Vec<LoadedUser>, StoreError> {
        self.call("loading users", move |server, what| async move {
            let stored = server.bounds(&what, &users).await?;
            let mut loaded = Vec::with_capacity(users.len());
            for (uid, bounds) in users.into_iter().zip(stored) {
                let above = match bounds.through > from {
                    true => server.above(&what, &uid, from, (bounds.min, bounds.newest)).await?,
                    false => Vec::new(),
                };
                loaded.push(LoadedUser { uid, bounds, above });
            }
            Ok(loaded)
        })
        .await
    }

    /// Stores what came of some records of a partition.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with a [`Contradiction`] (see [`super::contradiction`]); any other [`StoreError`] says that
    /// nobody knows how far it came.
    pub async fn store_batch(
        &self,
        generation: Generation,
        at: LogPartition,
        batch: Batch,
    ) -> Result<(), StoreError> {
        self.call("storing a batch", move |server, what| async move {
            let p = shapes::number(at);
            let writer = Writer { server: &server, what: &what, generation, p };
            let Batch { bodies, documents, raises } = batch;
            let mut times = HashMap::new();
            for Document { content, sent_ms, .. } in &documents {
                if let Content::Group(source) = content {
                    times.insert(*source, *sent_ms);
                }
            }
            let mut written = Vec::with_capacity(bodies.len());
            for (source, message) in bodies {
                let sent_ms = times.get(&source).copied().unwrap_or_default();
                let record = record(&what, &message, sent_ms)?;
                written.push(shapes::body(&what, source, sent_ms, &record)?);
            }
            writer.insert(BODIES, written).await?;

            let documents: Vec<_> = documents
                .into_iter()
                .map(|document| whole(&what, document))
                .collect::<Result<_, _>>()?;
            writer.entries(&documents).await?;
            writer.raise(&with_times(raises, &documents)).await
        })
        .await
    }

    /// Writes the keys that are new since the checkpoint whose `next` is `was`, in log order, and replaces that; or writes
    /// the first.
    ///
    /// # Errors
    /// As [`Self::store_batch`].
    pub async fn store_checkpoint(
        &self,
        generation: Generation,
        at: LogPartition,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    ) -> Result<(), StoreError> {
        self.call("storing a checkpoint", move |server, what| async move {
            let p = shapes::number(at);
            let writer = Writer { server: &server, what: &what, generation, p };
            if let Some(page) = shapes::page(&what, p, &page)? {
                writer.put(page).await?;
            }
            let fields = shapes::checkpoint(&what, &checkpoint)?;
            let set = match was {
                Some(was) => {
                    let was = shapes::signed(&what, was.0)?;
                    let update = rawdoc! { "q": { "_id": p, "o": was }, "u": { "$set": fields } };
                    writer.update(CHECKPOINTS, vec![update]).await? == 1
                }
                None => {
                    let mut document = RawDocumentBuf::new();
                    document.append(cstr!("_id"), p);
                    for field in fields.iter_elements().flatten() {
                        if let Ok(value) = field.value() {
                            document.append(field.key(), value);
                        }
                    }
                    writer.insert(CHECKPOINTS, vec![document]).await?.is_empty()
                }
            };
            if !set {
                let found = server.checkpoint(&what, p).await?.map(|checkpoint| checkpoint.next);
                return Err(contradicts(&what, Contradiction::Checkpoint(found)));
            }
            // They are found again.
            drop(server.prune(&what, at, checkpoint.time_ms).await);
            Ok(())
        })
        .await
    }
}

impl Server {
    /// Append time that the window of a partition reaches back to.
    fn window_begins(&self, time_ms: i64) -> i64 {
        let window_ms = i64::try_from(self.options.window.as_millis()).unwrap_or(i64::MAX);
        time_ms.saturating_sub(window_ms)
    }

    pub(super) async fn checkpoint(
        &self,
        what: &str,
        p: i32,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let Some(stored) = self.one(what, CHECKPOINTS, doc! { "_id": p }).await? else {
            return Ok(None);
        };
        let read = shapes::read_checkpoint(&stored);
        read.map(Some).ok_or_else(|| self.malformed(CHECKPOINTS, p, "it is no checkpoint"))
    }

    /// Keys within the window of a partition, the newest first.
    async fn pages(
        &self,
        what: &str,
        p: i32,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Vec<PageEntry>, StoreError> {
        let mut filter = doc! { "_id": shapes::of_partition(p) };
        if let Some(checkpoint) = checkpoint {
            filter.insert("t", doc! { "$gte": self.window_begins(checkpoint.time_ms) });
        }
        let next = checkpoint.map_or(Position(0), |checkpoint| checkpoint.next);
        let keys =
            |(position, append_ms, key)| PageEntry { position: Position(position), append_ms, key };
        let (mut pages, mut below) = (Vec::new(), 0);
        self.each(what, PAGES, filter, backwards(), |page| {
            let stored = page.get_binary("k");
            let stored = stored.map_err(|cause| self.malformed(PAGES, p, cause))?;
            let begin = pages.len();
            pages.extend(shapes::read_keys(stored.bytes).map(keys));
            // Those above the checkpoint are new again.
            let new = pages.iter().skip(begin);
            below += new.filter(|entry| entry.position < next).count();
            Ok(below < self.options.keys_max)
        })
        .await?;
        Ok(pages)
    }

    /// Entries of a user at or above `from`, ascending.
    async fn above(
        &self,
        what: &str,
        user: &UserId,
        from: Position,
        (min, newest): (Seq, Seq),
    ) -> Result<Vec<(Position, Seq)>, StoreError> {
        let mut options = backwards();
        options.projection = Some(doc! { "o": 1 });
        let mut above = Vec::new();
        self.each(what, ENTRIES, shapes::of_inbox(user, min, newest), options, |entry| {
            let read = shapes::position(entry).and_then(|at| Ok((at, shapes::seq(entry)?)));
            let (position, seq) = read.map_err(|cause| self.malformed(ENTRIES, user, cause))?;
            if position >= from {
                above.push((position, seq));
            }
            Ok(position >= from)
        })
        .await?;
        above.reverse();
        Ok(above)
    }

    /// Drops pages of a partition that no window reaches back to, every now and then.
    async fn prune(&self, what: &str, at: LogPartition, time_ms: i64) -> Result<(), StoreError> {
        let place = 2 * usize::from(at.partition.0) + usize::from(at.topic as u8 - 1);
        let Some(pruned_ms) = self.pruned_ms.get(place) else { return Ok(()) };
        if time_ms.saturating_sub(PRUNE_EVERY_MS) < pruned_ms.load(Ordering::Relaxed) {
            return Ok(());
        }
        pruned_ms.store(time_ms, Ordering::Relaxed);
        let (p, begins) = (shapes::number(at), self.window_begins(time_ms));
        let mut old = None;
        let filter = doc! { "_id": shapes::of_partition(p) };
        let mut options = first(PRUNED);
        options.projection = Some(doc! { "t": 1 });
        self.each(what, PAGES, filter, options, |page| {
            let is_old = page.get_i64("t").is_ok_and(|newest_ms| newest_ms < begins);
            if is_old {
                old = page.get_document("_id").ok().map(|id| id.get_i64("o"));
            }
            Ok(is_old)
        })
        .await?;
        let Some(Ok(last)) = old else { return Ok(()) };
        let pages = doc! { "_id": { "$gte": { "p": p }, "$lte": { "p": p, "o": last } } };
        self.delete(what, PAGES, vec![pages]).await.map(drop)
    }
}

/// The record of a message: it has its send time, which is the log's.
fn record(what: &str, message: &[u8], sent_ms: i64) -> Result<Arc<[u8]>, StoreError> {
    let message = Message::decode(message)
        .map_err(|cause| StoreError::Rejected { what: what.to_owned(), cause: cause.into() })?;
    let mut record = Vec::with_capacity(message.encoded_len());
    Message { send_time_ns: sent_ms.saturating_mul(1_000_000), ..message }.encode(&mut record);
    Ok(record.into())
}

/// The entry with its record in place of the message.
fn whole(what: &str, document: Document) -> Result<Document, StoreError> {
    let content = match document.content {
        Content::Own(message) => Content::Own(record(what, &message, document.sent_ms)?),
        Content::Group(source) => Content::Group(source),
    };
    Ok(Document { content, ..document })
}

/// Each with the append time of its first entry.
fn with_times(raises: Vec<Raise>, documents: &[Document]) -> Vec<(Raise, i64)> {
    let times: HashMap<(&UserId, Seq), i64> =
        documents.iter().map(|entry| ((&entry.user, entry.seq), entry.sent_ms)).collect();
    let time = |raise: &Raise| times.get(&(&raise.user, raise.first)).copied().unwrap_or_default();
    raises.into_iter().map(|raise| (time(&raise), raise)).map(|(ms, raise)| (raise, ms)).collect()
}
