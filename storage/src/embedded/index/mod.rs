//! The index: small rows in an LSM tree, for everything that is looked up by key.
//!
//! Owns `<data>/index/` and the tables in it; the modules hold the form of the rows. Message bodies
//! never come here. What it loses in a crash (nothing that a call answered) the log gives back by
//! replay, except the directory (users, tokens, relations, groups, preferences), which lives only
//! here.

pub(super) mod access;
pub(super) mod groups;
pub(super) mod inbox;
pub(super) mod partitions;
pub(super) mod preferences;
pub(super) mod relations;
mod row;
mod varint;

use std::fs::File;
use std::path::Path;

use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, UserValue};

use super::error::index_error;
use super::options::Options;
use super::sys;
use crate::port::StoreError;

/// Longest key that the engine takes. It panics on longer ones, read or written, so they are met
/// first: none is ever stored.
pub(super) const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Files of tables that the engine keeps open.
const TABLE_FILES_MAX: usize = 128;
/// Files open beside these: the lock, two journals while one follows the other, what one compaction reads
/// (the engine halts writes at some thirty runs) and writes, folders that are synced, and table files
/// that threads read at the moment though they have left that set.
const OTHER_FILES_MAX: u64 = 72;
/// Descriptors that the index may hold.
pub(super) const FILES_MAX: u64 = TABLE_FILES_MAX as u64 + OTHER_FILES_MAX;

/// The row of a key in a table.
pub(super) fn find(table: &Keyspace, key: &[u8]) -> fjall::Result<Option<UserValue>> {
    if key.len() > KEY_BYTES_MAX {
        return Ok(None);
    }
    table.get(key)
}

/// The tables.
pub(super) struct Index {
    db: Database,
    dir: std::path::PathBuf,
    reserve_bytes: u64,
    /// uid → [`inbox::InboxRow`].
    pub(super) inboxes: Keyspace,
    /// (uid, chunk) → positions.
    pub(super) chunks: Keyspace,
    /// Applied positions, duplicates, segments, how far retention came.
    pub(super) state: Keyspace,
    /// uid → user.
    pub(super) users: Keyspace,
    /// (uid, terminal) → newest token.
    pub(super) tokens: Keyspace,
    /// Lists of [`relations`]. A table costs files and memory even when it is empty, so the
    /// directory has few, and a kind in front of their keys.
    pub(super) relations: Keyspace,
    /// Rows of [`groups`].
    pub(super) groups: Keyspace,
    /// Rows of [`preferences`].
    pub(super) preferences: Keyspace,
    /// Last, so that it is dropped last.
    _lock: File,
}

impl Index {
    /// Opens or makes the index in `dir`.
    ///
    /// `lock` is the data directory's; it is held until nothing here writes any more.
    pub(super) fn open(dir: &Path, options: &Options, lock: File) -> Result<Self, StoreError> {
        /// The least that the engine accepts; bounds what an open has to replay.
        const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
        const SMALL_BUFFER_BYTES: u64 = 4 * 1024 * 1024;
        let failed = index_error("opening the index");
        let db = Database::builder(dir)
            .cache_size(options.index_cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(TABLE_FILES_MAX))
            .worker_threads(1)
            .manual_journal_persist(true)
            .open()
            .map_err(&failed)?;
        let table = |name: &str, buffer_bytes: u64, looked_up: bool| {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(buffer_bytes)
                    .data_block_size_policy(BlockSizePolicy::all(4096))
                    .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                        BloomConstructionPolicy::BitsPerKey(10.0),
                    )))
                    .expect_point_read_hits(looked_up)
            };
            db.keyspace(name, options).map_err(&failed)
        };
        let large = options.index_buffer_bytes;
        Ok(Self {
            inboxes: table("inboxes", large, false)?,
            chunks: table("chunks", large, true)?,
            state: table("state", SMALL_BUFFER_BYTES, true)?,
            users: table("users", SMALL_BUFFER_BYTES, false)?,
            tokens: table("tokens", SMALL_BUFFER_BYTES, false)?,
            relations: table("relations", SMALL_BUFFER_BYTES, false)?,
            groups: table("groups", SMALL_BUFFER_BYTES, false)?,
            preferences: table("preferences", SMALL_BUFFER_BYTES, false)?,
            db,
            dir: dir.to_owned(),
            reserve_bytes: options.reserve_bytes,
            _lock: lock,
        })
    }

    /// A batch whose commit is durable.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncData))
    }

    /// Commits a batch of `doing`.
    ///
    /// The engine gives up for good when its own files meet a full disk, so a nearly full one is
    /// refused before anything is written: that error may be retried.
    pub(super) fn commit(
        &self,
        batch: OwnedWriteBatch,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let io = |cause| StoreError::Io { what: doing.to_owned(), cause };
        let free = sys::free_bytes(&self.dir).map_err(io)?;
        if free < self.reserve_bytes / 4 {
            return Err(io(sys::no_space()));
        }
        batch.commit().map_err(index_error(doing))
    }
}
