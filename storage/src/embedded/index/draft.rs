//! An index that is filled before anybody uses it.

use std::path::Path;

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};

use super::partitions::{CUT_KEY, IDENTITY_KEY, NUMBER_KEY, encode_identity, encode_number};
use super::{
    CHUNKS, FIRST_COMMIT, GROUPS, INBOXES, PREFERENCES, RELATIONS, STATE, TOKENS, USERS, database,
    tables,
};
use crate::embedded::data_dir::random;
use crate::embedded::error::{index_corrupt, index_error};
use crate::embedded::options::Options;
use crate::port::StoreError;

const DOING: &str = "making the index anew";
/// Rows that go in at once.
const BATCH_BYTES: usize = 4 << 20;

/// See the module.
pub(in crate::embedded) struct Draft {
    db: Database,
    tables: [(u8, Keyspace); super::TABLES],
    batch: OwnedWriteBatch,
    bytes: usize,
}

impl Draft {
    /// Begins one in `dir`.
    pub(in crate::embedded) fn begin(dir: &Path, options: &Options) -> Result<Self, StoreError> {
        let db = database(dir, options)?;
        let [inboxes, chunks, state, users, tokens, relations, groups, preferences] =
            tables(&db, options)?;
        let tables = [
            (INBOXES, inboxes),
            (CHUNKS, chunks),
            (STATE, state),
            (USERS, users),
            (TOKENS, tokens),
            (RELATIONS, relations),
            (GROUPS, groups),
            (PREFERENCES, preferences),
        ];
        let batch = unflushed(&db);
        Ok(Self { db, tables, batch, bytes: 0 })
    }

    /// Adds a row; what an index says of itself is left out.
    pub(in crate::embedded) fn push(
        &mut self,
        table: u8,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), StoreError> {
        if table == STATE && [NUMBER_KEY, IDENTITY_KEY, CUT_KEY].iter().any(|own| key == own) {
            return Ok(());
        }
        let place = self.tables.iter().find(|(number, _)| *number == table);
        let (_, place) =
            place.ok_or_else(|| index_corrupt("base", "rows of a table that is none"))?;
        self.batch.insert(place, key, row);
        self.bytes += key.len() + row.len();
        if self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.bytes = 0;
        let batch = std::mem::replace(&mut self.batch, unflushed(&self.db));
        batch.commit().map_err(index_error(DOING))
    }

    /// Makes it whole and durable; its identity.
    pub(in crate::embedded) fn finish(mut self, home: u64) -> Result<u64, StoreError> {
        let index = random();
        let [_, _, (_, state), ..] = &self.tables;
        self.batch.insert(state, IDENTITY_KEY, encode_identity(index, home));
        self.batch.insert(state, NUMBER_KEY, encode_number(FIRST_COMMIT));
        self.batch.commit().map_err(index_error(DOING))?;
        self.db.persist(PersistMode::SyncAll).map_err(index_error(DOING))?;
        Ok(index)
    }
}

/// Nothing of it counts before the whole is durable.
fn unflushed(db: &Database) -> OwnedWriteBatch {
    db.batch().durability(Some(PersistMode::Buffer))
}
