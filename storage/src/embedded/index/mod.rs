//! The index: small rows in an LSM tree, for everything that is looked up by key.
//!
//! Owns `<data>/index/` and the tables in it; the modules hold the form of the rows. Message bodies
//! never come here. What it loses in a crash the log gives back by replay: inboxes by partition, users,
//! tokens, relations, groups and preferences by [`super::changes`].

pub(super) mod access;
mod draft;
pub(super) mod groups;
pub(super) mod inbox;
pub(super) mod journal;
pub(super) mod partitions;
pub(super) mod preferences;
pub(super) mod relations;
mod row;
pub(super) mod versions;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{
    AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    UserValue,
};
use openim_record::Position;

pub(super) use self::draft::Draft;
use self::partitions::{
    ANNOUNCED_KEY, Announced, CUT_KEY, IDENTITY_KEY, NUMBER_KEY, THROUGH_KEY, decode_identity,
    decode_through, encode_identity, encode_number, encode_through, number_in,
};
use super::commits::{Commits, Noted};
use super::data_dir::{Lock, random};
use super::error::{index_corrupt, index_error, io_error};
use super::lender::Notice;
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

/// Numbers of the tables whose changes the log has.
pub(super) const USERS: u8 = 1;
pub(super) const TOKENS: u8 = 2;
pub(super) const RELATIONS: u8 = 3;
pub(super) const GROUPS: u8 = 4;
pub(super) const PREFERENCES: u8 = 5;
/// Numbers of the others, of which the log has no rows, but for one of the last ([`partitions::ANNOUNCED_KEY`]).
pub(super) const INBOXES: u8 = 6;
pub(super) const CHUNKS: u8 = 7;
pub(super) const STATE: u8 = 8;

/// Tables of an index.
pub(super) const TABLES: usize = 8;
/// Number of the commit that makes an index.
pub(super) const FIRST_COMMIT: u64 = 1;

/// Makes an index in `dir`, whole and durable, or gives one of the first form what that did not
/// have: an identity, which is returned, and a first number. A new one `is_empty`: it needs all of the log.
pub(super) fn make(
    dir: &Path,
    options: &Options,
    salt: u64,
    is_empty: bool,
) -> Result<u64, StoreError> {
    let db = database(dir, options)?;
    let [_, _, state, ..] = tables(&db, options)?;
    let index = random();
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&state, IDENTITY_KEY, encode_identity(index, salt));
    batch.insert(&state, NUMBER_KEY, encode_number(FIRST_COMMIT));
    if is_empty {
        batch.insert(&state, THROUGH_KEY, encode_through(Position(0)));
    }
    batch.commit().map_err(index_error("making the index"))?;
    Ok(index)
}

/// What an index says of itself.
pub(super) struct Peeked {
    pub(super) number: u64,
    pub(super) index: u64,
}

/// Looks into the index in `dir`.
pub(super) fn peek(dir: &Path, options: &Options) -> Result<Peeked, StoreError> {
    let db = database(dir, options)?;
    let [_, _, state, ..] = tables(&db, options)?;
    let index = stored_identity(&state)?.map_or(0, |(index, _)| index);
    Ok(Peeked { number: stored_number(&state)?, index })
}

/// The position in what was found under [`THROUGH_KEY`].
pub(super) fn through_in(
    found: fjall::Result<Option<UserValue>>,
) -> Result<Option<Position>, StoreError> {
    let row = found.map_err(index_error("reading how far changes are applied"))?;
    let malformed = || index_corrupt("state", "how far changes are applied is malformed");
    row.map(|row| decode_through(&row).ok_or_else(malformed)).transpose()
}

fn stored_number(state: &Keyspace) -> Result<u64, StoreError> {
    let row = state.get(NUMBER_KEY).map_err(index_error("reading the number of commits"))?;
    let malformed = || index_corrupt("state", "the number of commits is malformed");
    row.map_or(Ok(0), |row| number_in(&NUMBER_KEY, &row).ok_or_else(malformed))
}

fn stored_identity(state: &Keyspace) -> Result<Option<(u64, u64)>, StoreError> {
    let row = state.get(IDENTITY_KEY).map_err(index_error("reading the identity of the index"))?;
    Ok(row.and_then(|row| decode_identity(&row)))
}

fn database(dir: &Path, options: &Options) -> Result<Database, StoreError> {
    /// The least that the engine accepts; bounds what an open has to replay.
    const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
    Database::builder(dir)
        .cache_size(options.index_cache_bytes)
        .max_journaling_size(JOURNAL_BYTES)
        .max_cached_files(Some(TABLE_FILES_MAX))
        .worker_threads(1)
        .manual_journal_persist(true)
        .open()
        .map_err(index_error("opening the index"))
}

/// The tables in the order of the fields of [`Index`]; those that are not there yet are made.
fn tables(db: &Database, options: &Options) -> Result<[Keyspace; TABLES], StoreError> {
    const SMALL_BUFFER_BYTES: u64 = 4 * 1024 * 1024;
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
        db.keyspace(name, options).map_err(index_error("opening the index"))
    };
    let large = options.index_buffer_bytes;
    Ok([
        table("inboxes", large, false)?,
        table("chunks", large, true)?,
        table("state", SMALL_BUFFER_BYTES, true)?,
        table("users", SMALL_BUFFER_BYTES, false)?,
        table("tokens", SMALL_BUFFER_BYTES, false)?,
        table("relations", SMALL_BUFFER_BYTES, false)?,
        table("groups", SMALL_BUFFER_BYTES, false)?,
        table("preferences", SMALL_BUFFER_BYTES, false)?,
    ])
}

/// The tables.
pub(super) struct Index {
    db: Database,
    dir: std::path::PathBuf,
    reserve_bytes: u64,
    commits: Arc<Commits>,
    /// Told when the engine gives up, once the index is in use.
    notice: OnceLock<Arc<Notice>>,
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
    _lock: Arc<Lock>,
}

impl Index {
    /// Opens the index in `dir`, and makes the tables that it does not have yet.
    ///
    /// `lock` is the data directory's; it is held until nothing here writes any more.
    pub(super) fn open(
        dir: &Path,
        options: &Options,
        lock: Arc<Lock>,
        commits: Arc<Commits>,
    ) -> Result<Self, StoreError> {
        let db = database(dir, options)?;
        let [inboxes, chunks, state, users, tokens, relations, groups, preferences] =
            tables(&db, options)?;
        Ok(Self {
            inboxes,
            chunks,
            state,
            users,
            tokens,
            relations,
            groups,
            preferences,
            db,
            dir: dir.to_owned(),
            reserve_bytes: options.reserve_bytes,
            commits,
            notice: OnceLock::new(),
            _lock: lock,
        })
    }

    /// The note of commits that is kept beside the index.
    pub(super) const fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// The number of the last commit that is in the index; 0 when it has none.
    pub(super) fn stored_number(&self) -> Result<u64, StoreError> {
        stored_number(&self.state)
    }

    /// The index's own identity, and that of the data directory it was made for.
    pub(super) fn stored_identity(&self) -> Result<Option<(u64, u64)>, StoreError> {
        stored_identity(&self.state)
    }

    /// The position through which changes of rows are applied; `None` when it says nothing of that.
    pub(super) fn through(&self) -> Result<Option<Position>, StoreError> {
        through_in(self.state.get(THROUGH_KEY))
    }

    /// The number of the engine's last batch of which some table has a file.
    pub(super) fn highest_in_files(&self) -> Option<u64> {
        self.all().iter().filter_map(|(_, table)| table.tree.get_highest_persisted_seqno()).max()
    }

    /// Everything as it is now, in all tables.
    pub(super) fn snapshot(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    /// All tables with their numbers, which never change.
    pub(super) const fn all(&self) -> [(u8, &Keyspace); TABLES] {
        [
            (INBOXES, &self.inboxes),
            (CHUNKS, &self.chunks),
            (STATE, &self.state),
            (USERS, &self.users),
            (TOKENS, &self.tokens),
            (RELATIONS, &self.relations),
            (GROUPS, &self.groups),
            (PREFERENCES, &self.preferences),
        ]
    }

    /// Reads all there is, every checksum compared.
    pub(super) fn read_through(&self) -> Result<(), StoreError> {
        for (_, table) in self.all() {
            for row in table.iter() {
                row.into_inner().map_err(index_error("reading the index through"))?;
            }
        }
        Ok(())
    }

    /// The position up to which inboxes were cut, or are to be.
    pub(super) fn cut(&self) -> Result<Position, StoreError> {
        let row =
            self.state.get(CUT_KEY).map_err(index_error("reading how far inboxes are cut"))?;
        let malformed = || index_corrupt("state", "how far inboxes are cut is malformed");
        row.map_or(Ok(Position(0)), |row| decode_through(&row).ok_or_else(malformed))
    }

    /// The cut that the log told of last, as far as it is applied.
    pub(super) fn announced(&self) -> Result<Option<Announced>, StoreError> {
        let row = self.state.get(ANNOUNCED_KEY);
        let row = row.map_err(index_error("reading which cut the log tells of"))?;
        let malformed = || index_corrupt("state", "the cut that the log tells of is malformed");
        row.map(|row| Announced::decode(&row).ok_or_else(malformed)).transpose()
    }

    /// Up to where somebody may have seen inboxes cut: by what is noted beside the index, and by the log.
    pub(super) fn cut_that_was_seen(&self) -> Result<Position, StoreError> {
        let noted = Position(self.commits.lock().cut);
        Ok(self.announced()?.map_or(noted, |announced| announced.below.max(noted)))
    }

    /// Forgets how far inboxes were cut: some of it may be lost. For good.
    pub(super) fn forget_cut(&self) -> Result<(), StoreError> {
        const DOING: &str = "noting that inboxes are to be cut again";
        let mut out = self.unflushed();
        out.remove(&self.state, CUT_KEY);
        self.apply(out, DOING)?;
        self.persist(DOING)
    }

    /// The table that changes of rows call by this number; these numbers never change.
    pub(super) const fn table(&self, number: u8) -> Option<&Keyspace> {
        match number {
            USERS => Some(&self.users),
            TOKENS => Some(&self.tokens),
            RELATIONS => Some(&self.relations),
            GROUPS => Some(&self.groups),
            PREFERENCES => Some(&self.preferences),
            STATE => Some(&self.state),
            _ => None,
        }
    }

    /// Whether anybody is registered.
    pub(super) fn has_users(&self) -> Result<bool, StoreError> {
        self.users.is_empty().map(|empty| !empty).map_err(index_error("looking for users"))
    }

    /// A batch whose commit is durable.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncData))
    }

    /// Commits a batch of `doing`, under the next number.
    ///
    /// The engine gives up for good when its own files meet a full disk, so a nearly full one is
    /// refused before anything is written: that error may be retried.
    pub(super) fn commit(
        &self,
        mut batch: OwnedWriteBatch,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        self.has_room(doing)?;
        if batch.is_empty() {
            return Ok(());
        }
        // Commits take turns in the engine anyway; here too, so that their numbers rise.
        let mut noted = self.commits.lock();
        let number = noted.number + 1;
        batch.insert(&self.state, NUMBER_KEY, encode_number(number));
        let committed = batch.commit();
        if committed.is_ok() {
            noted.number = number;
            self.write_note(&mut noted);
        }
        drop(noted);
        committed.map_err(self.gave_up(doing))
    }

    /// Notes beside the index how far the log has been applied: an index that is made anew does not know it.
    pub(super) fn note_applied(&self, position: Position) {
        self.commits.log_applied(position.0);
        self.write_note(&mut self.commits.lock());
    }

    /// A batch that the log can give back: the system has it after a kill, the device some time later.
    pub(super) fn unflushed(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::Buffer))
    }

    /// Commits a batch of what the log has. A batch with a number makes what came before it durable too.
    pub(super) fn apply(
        &self,
        batch: OwnedWriteBatch,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        batch.commit().map_err(self.gave_up(doing))
    }

    /// Makes all that was applied durable.
    pub(super) fn persist(&self, doing: &'static str) -> Result<(), StoreError> {
        self.db.persist(PersistMode::SyncAll).map_err(self.gave_up(doing))
    }

    /// From now on this is told when the engine gives up, and whoever met that may try again.
    pub(super) fn tell(&self, notice: &Arc<Notice>) {
        drop(self.notice.set(Arc::clone(notice)));
    }

    /// Says what failed, and notes that the files may hold less than they seem to: the engine takes nothing any more.
    fn gave_up(&self, doing: &'static str) -> impl FnOnce(fjall::Error) -> StoreError {
        move |cause| {
            self.doubt();
            let error = index_error(doing)(cause);
            match self.notice.get() {
                Some(notice) => notice.give(error),
                None => error,
            }
        }
    }

    /// Has whoever opens the index next look at all of it. Written each time: the device may not have taken it before.
    pub(super) fn doubt(&self) {
        let mut noted = self.commits.lock();
        noted.in_doubt = true;
        self.write_note(&mut noted);
    }

    fn write_note(&self, noted: &mut Noted) {
        if let Err(cause) = self.commits.write(noted) {
            // It lags then, and notices less; what was committed is durable all the same.
            tracing::warn!(%cause, file = %self.commits.path().display(), "cannot note a commit");
        }
    }

    /// Whether [`Self::commit`] would find room, and an engine that has not given up.
    pub(super) fn check(&self, doing: &'static str) -> Result<(), StoreError> {
        self.has_room(doing)?;
        self.db.persist(PersistMode::Buffer).map_err(self.gave_up(doing))
    }

    /// Whether the disk has room for a commit.
    pub(super) fn has_room(&self, doing: &'static str) -> Result<(), StoreError> {
        let failed = || io_error(doing.to_owned());
        let free = sys::free_bytes(&self.dir).map_err(failed())?;
        if free < self.reserve_bytes / 4 { Err(failed()(sys::no_space())) } else { Ok(()) }
    }
}
