//! The store as it is asked: one command at a time, each with an end of its own.
//!
//! In: commands. Out: answers, or whether to ask again. Never: a retry, or an answer of a write that nobody knows to be
//! durable at the process it was meant for.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc, rawdoc};
use mongodb::options::FindOptions;
use mongodb::{Client, Collection, Database};
use openim_storage::port::StoreError;

use super::Options;
use super::fault::{Written, told, unavailable};
use super::gather::Gather;
use super::generation::{Generation, Generations};
use super::whole::Whole;

/// The collections.
pub(super) const ENTRIES: &str = "msg";
pub(super) const BODIES: &str = "body";
pub(super) const USERS: &str = "user";
pub(super) const PAGES: &str = "page";
pub(super) const CHECKPOINTS: &str = "checkpoint";
pub(super) const META: &str = "meta";

/// See the module.
#[derive(Debug)]
pub(super) struct Server {
    // It ends with the last copy; the database has one.
    pub(super) database: Database,
    pub(super) generations: Arc<Generations>,
    pub(super) options: Options,
    /// Hosts and database, for people.
    pub(super) address: String,
    /// Of each partition of a topic: the append time when its old pages were dropped last.
    pub(super) pruned_ms: Box<[AtomicI64]>,
    pub(super) whole: Whole,
    pub(super) gather: Gather,
}

impl Server {
    pub(super) fn new(
        client: &Client,
        address: String,
        generations: Arc<Generations>,
        options: Options,
        gather: Gather,
    ) -> Self {
        let database = client.database(&options.database);
        let partitions = 2 * usize::from(options.partitions);
        let pruned_ms = (0..partitions).map(|_| AtomicI64::new(i64::MIN)).collect();
        Self { database, generations, options, address, pruned_ms, whole: Whole::default(), gather }
    }

    /// What is being done, and where, for people.
    pub(super) fn at(&self, doing: &str) -> String {
        format!("{doing} at {}", self.address)
    }

    /// The place of a document, for people.
    pub(super) fn place(&self, collection: &str, key: impl std::fmt::Display) -> String {
        format!("{}/{collection}/{key}", self.address)
    }

    pub(super) async fn command(
        &self,
        what: &str,
        command: RawDocumentBuf,
    ) -> Result<Document, StoreError> {
        self.database.run_raw_command(command).await.map_err(|error| told(what, error))
    }

    /// The generation whose process answers now: what is read from now on is of that one, or a later one.
    pub(super) async fn generation(&self, what: &str) -> Result<Generation, StoreError> {
        // Asked in any case: nothing may have been opened since another process began.
        self.look(what).await?;
        let generation = self.generations.now();
        self.check(what, generation).await?;
        Ok(generation)
    }

    /// Asks which process answers.
    pub(super) async fn look(&self, what: &str) -> Result<(), StoreError> {
        let opened = self.generations.opened();
        let hello = self.command(what, rawdoc! { "hello": 1 }).await?;
        self.generations.verify(opened, &hello);
        Ok(())
    }

    /// Whether the process of that generation would be written to.
    pub(super) async fn check(&self, what: &str, generation: Generation) -> Result<(), StoreError> {
        let same = || match self.generations.over(generation) {
            None => Ok(()),
            Some(why) => Err(unavailable(what, why)),
        };
        same()?;
        self.verify(what).await?;
        same()
    }

    /// Waits until all connections are known to lead to one process, or to one that is gone.
    pub(super) async fn verify(&self, what: &str) -> Result<(), StoreError> {
        // To ask may open a connection; not more often than there may be.
        for _ in 0..=self.options.connections_max {
            if self.generations.is_verified() {
                return Ok(());
            }
            self.look(what).await?;
        }
        Err(unavailable(what, "connections to the store do not last"))
    }

    /// A write that is durable at the process of a generation.
    pub(super) async fn write(
        &self,
        what: &str,
        generation: Generation,
        mut command: RawDocumentBuf,
    ) -> Result<Written, StoreError> {
        self.check(what, generation).await?;
        let durable = rawdoc! { "w": "majority", "j": true };
        command.append(mongodb::bson::raw::cstr!("writeConcern"), durable);
        let answer = self.command(what, command).await?;
        self.check(what, generation).await?;
        Written::read(what, &answer)
    }

    /// What a collection has; `each` says whether to go on.
    pub(super) async fn each(
        &self,
        what: &str,
        collection: &str,
        filter: Document,
        options: FindOptions,
        mut each: impl FnMut(&RawDocument) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let collection: Collection<RawDocumentBuf> = self.database.collection(collection);
        let failed = |error| told(what, error);
        let mut cursor = collection.find(filter).with_options(options).await.map_err(failed)?;
        while cursor.advance().await.map_err(failed)? {
            if !each(cursor.current())? {
                break;
            }
        }
        Ok(())
    }

    /// One document, if there is one.
    pub(super) async fn one(
        &self,
        what: &str,
        collection: &str,
        filter: Document,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let collection: Collection<RawDocumentBuf> = self.database.collection(collection);
        collection.find_one(filter).await.map_err(|error| told(what, error))
    }
}

/// In the order of `_id`, so many at most.
pub(super) fn first(limit: usize) -> FindOptions {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX).max(1);
    let batch = u32::try_from(limit).unwrap_or(u32::MAX).min(10_000);
    FindOptions::builder().sort(doc! { "_id": 1 }).limit(limit).batch_size(batch).build()
}

/// From the last `_id` on, for as long as somebody wants more.
pub(super) fn backwards() -> FindOptions {
    FindOptions::builder().sort(doc! { "_id": -1 }).batch_size(100).build()
}
