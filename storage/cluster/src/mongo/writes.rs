//! The writes of a batch, each durable before the next begins (R4): bodies, entries, users, page; the checkpoint is a
//! write of its own.
//!
//! Invariant: to write again what is there changes nothing, and what contradicts what is there is refused.

use std::collections::HashMap;

use mongodb::bson::{self, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use openim_record::{Contradiction, Document, Position, Raise, Seq, UserId};
use openim_storage::port::StoreError;

use super::fault::{Written, contradicts, unavailable};
use super::gather::Kind;
use super::generation::Generation;
use super::server::{ENTRIES, PAGES, Server, USERS, first};
use super::shapes;

/// Bytes of documents in one command, about; a server takes 16 MiB.
const COMMAND_BYTES: usize = 8 << 20;
/// Documents that one question names.
pub(super) const ASKED: usize = 1_000;
/// How often a command is tried in which another owner was quicker to make a user's document.
const TRIES: usize = 4;

/// Whose writes these are, for people and for the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub(super) server: &'a Server,
    pub(super) what: &'a str,
    pub(super) generation: Generation,
    /// The partition that is read.
    pub(super) p: i32,
}

impl Writer<'_> {
    /// Writes documents as one of many does; what others write at the same time goes with them.
    async fn write(
        &self,
        kind: Kind,
        documents: &[RawDocumentBuf],
    ) -> Result<Option<Written>, StoreError> {
        self.server.gather.write(kind, self.what, self.generation, documents).await
    }

    /// Inserts documents in any order; gives the places of those whose `_id` is taken.
    pub(super) async fn insert(
        &self,
        collection: &str,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<Vec<usize>, StoreError> {
        let mut taken = Vec::new();
        for (begin, documents) in self.commands(documents) {
            let command =
                rawdoc! { "insert": collection, "documents": documents, "ordered": false };
            let written = self.server.write(self.what, self.generation, command).await?;
            taken.extend(written.duplicates.into_iter().map(|place| begin + place));
        }
        Ok(taken)
    }

    /// Updates documents in any order; gives how many were found or made.
    pub(super) async fn update(
        &self,
        collection: &str,
        updates: Vec<RawDocumentBuf>,
    ) -> Result<usize, StoreError> {
        let mut found = 0;
        'commands: for (_, updates) in self.commands(updates) {
            for _ in 0..TRIES {
                let updates = updates.clone();
                let command =
                    rawdoc! { "update": collection, "updates": updates, "ordered": false };
                let written = self.server.write(self.what, self.generation, command).await?;
                if written.duplicates.is_empty() {
                    found += written.found;
                    continue 'commands;
                }
            }
            return Err(unavailable(self.what, "others make the same documents all the time"));
        }
        Ok(found)
    }

    /// What one command takes, with the place of its first.
    fn commands(&self, documents: Vec<RawDocumentBuf>) -> Vec<(usize, RawArrayBuf)> {
        let mut commands: Vec<(usize, RawArrayBuf)> = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        for (place, document) in documents.into_iter().enumerate() {
            let len = document.as_bytes().len();
            if entries == 0
                || entries >= self.server.options.entries_max
                || bytes + len > COMMAND_BYTES
            {
                commands.push((place, RawArrayBuf::new()));
                (entries, bytes) = (0, 0);
            }
            if let Some((_, command)) = commands.last_mut() {
                command.push(document);
            }
            (entries, bytes) = (entries + 1, bytes + len);
        }
        commands
    }

    /// Entries of inboxes, in any order among themselves.
    ///
    /// [`StoreError::Conflict`] where another record has a seq.
    pub(super) async fn entries(&self, entries: &[Document]) -> Result<(), StoreError> {
        let documents = entries.iter().map(|entry| shapes::entry(self.what, self.p, entry));
        let documents: Vec<_> = documents.collect::<Result<_, _>>()?;
        let taken = match self.write(Kind::Entries, &documents).await? {
            Some(written) => written.duplicates,
            None => self.insert(ENTRIES, documents).await?,
        };
        let taken: Vec<_> = taken.into_iter().filter_map(|place| entries.get(place)).collect();
        for taken in taken.chunks(ASKED) {
            self.compare(taken).await?;
        }
        Ok(())
    }

    /// Whether the entries that are there are those that were to be written. What has expired meanwhile was.
    async fn compare(&self, entries: &[&Document]) -> Result<(), StoreError> {
        let mut ids = Vec::with_capacity(entries.len());
        for entry in entries {
            ids.push(doc! { "u": entry.user.as_str(), "s": shapes::clamped(entry.seq.0) });
        }
        let mut stored: HashMap<(UserId, Seq), (i32, Position)> = HashMap::new();
        let filter = doc! { "_id": { "$in": ids } };
        let mut options = first(entries.len());
        options.projection = Some(doc! { "p": 1, "o": 1 });
        self.server
            .each(self.what, ENTRIES, filter, options, |found| {
                let read = || {
                    let user = UserId::new(found.get_document("_id")?.get_str("u")?);
                    let place = (found.get_i32("p")?, shapes::position(found)?);
                    Ok(((user, shapes::seq(found)?), place))
                };
                let (key, place) = read().map_err(|cause: bson::error::Error| {
                    self.server.malformed(ENTRIES, "", cause)
                })?;
                stored.insert(key, place);
                Ok(true)
            })
            .await?;
        for entry in entries {
            let (user, seq) = (entry.user.clone(), entry.seq);
            let there = stored.get(&(user.clone(), seq));
            if there.is_some_and(|there| *there != (self.p, entry.position)) {
                return Err(contradicts(self.what, Contradiction::Document(user, seq)));
            }
        }
        Ok(())
    }

    /// Raises users' documents, each with the append time of its first new entry.
    ///
    /// [`StoreError::Conflict`] where entries before the first are missing.
    pub(super) async fn raise(&self, raises: &[(Raise, i64)]) -> Result<(), StoreError> {
        let mut updates = Vec::with_capacity(raises.len());
        for (Raise { user, first, newest, through }, oldest_ms) in raises {
            let before = shapes::signed(self.what, first.0)?.saturating_sub(1);
            let newest = shapes::signed(self.what, newest.0)?;
            let through = shapes::signed(self.what, through.0)?;
            updates.push(rawdoc! {
                "q": { "_id": user.as_str(), "n": { "$gte": before } },
                "u": {
                    "$max": { "n": newest, "o": through },
                    "$min": { "d": *oldest_ms },
                    "$setOnInsert": { "m": 1_i64, "p": self.p },
                },
                "upsert": before == 0,
            });
        }
        let found = match self.write(Kind::Users, &updates).await? {
            Some(written) if written.duplicates.is_empty() => written.found,
            Some(_) | None => self.update(USERS, updates).await?,
        };
        if found == raises.len() {
            return Ok(());
        }
        let users: Vec<UserId> = raises.iter().map(|(raise, _)| raise.user.clone()).collect();
        let stored = self.server.bounds(self.what, &users).await?;
        for ((raise, _), bounds) in raises.iter().zip(stored) {
            if raise.first > bounds.newest.next() {
                let missing = Contradiction::Density(raise.user.clone(), raise.first);
                return Err(contradicts(self.what, missing));
            }
        }
        Err(unavailable(self.what, "users' documents change under it"))
    }

    /// Puts a page in the place of the one with this `_id`, or where there is none.
    pub(super) async fn put(
        &self,
        (id, page): (RawDocumentBuf, RawDocumentBuf),
    ) -> Result<(), StoreError> {
        let updates = vec![rawdoc! { "q": { "_id": id }, "u": page, "upsert": true }];
        match self.write(Kind::Pages, &updates).await? {
            Some(written) if written.duplicates.is_empty() => Ok(()),
            Some(_) | None => self.update(PAGES, updates).await.map(drop),
        }
    }
}
