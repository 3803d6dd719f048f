//! What the index has taken from the log: per partition the applied position and the duplicates.
//!
//! A copy of a few rows of the `state` table, kept so that a batch writes them without reading.
//! Changes are made to a copy and taken over when the batch is durable.

use std::collections::{BTreeMap, VecDeque};

use fjall::{Guard, OwnedWriteBatch, Readable as _, Snapshot};
use openim_record::{PartitionId, Position, StoreBatch, StoredState};

use super::error::{index_corrupt, index_error};
use super::index::Index;
use super::index::partitions::{
    BLOCK, applied_key, decode_duplicates, decode_positions, duplicates_in, duplicates_key,
    duplicates_of, encode_duplicates, encode_positions,
};
use crate::port::StoreError;

/// Stands for "nothing applied yet" in a row.
const NEVER: Position = Position(u64::MAX);

/// The rows, as they are on the device.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// By partition; whole blocks.
    positions: Vec<Position>,
    /// By partition: rows of duplicates, oldest first, as (key position, entries).
    duplicates: BTreeMap<u16, VecDeque<(Position, usize)>>,
}

/// What a batch changes; see [`Applied::take_over`].
#[derive(Debug, Default)]
pub(super) struct Change {
    positions: Vec<(PartitionId, Position)>,
    added: Vec<(PartitionId, Position, usize)>,
    dropped: Vec<(PartitionId, usize)>,
}

impl Applied {
    /// Reads the rows.
    pub(super) fn load(index: &Index) -> Result<Self, StoreError> {
        let failed = index_error("reading the applied positions");
        let positions = positions_in(index.state.prefix(b"a"))?;
        let mut loaded = Self { positions, ..Self::default() };
        for row in index.state.prefix(b"d") {
            let (key, value) = row.into_inner().map_err(&failed)?;
            let (partition, position) = duplicates_of(&key)
                .ok_or_else(|| index_corrupt("state", "a duplicates key is malformed"))?;
            let rows = loaded.duplicates.entry(partition.0).or_default();
            rows.push_back((position, duplicates_in(value.len())));
        }
        Ok(loaded)
    }

    /// The highest applied position; 0 when there is none.
    pub(super) fn highest(&self) -> u64 {
        let known = self.positions.iter().filter(|position| **position != NEVER);
        known.map(|position| position.0).max().unwrap_or(0)
    }

    /// The lowest applied position of the partitions that were ever applied; 0 when none was.
    pub(super) fn lowest(&self) -> u64 {
        lowest_of(&self.positions)
    }

    /// The partitions of which another index has less than this one, each up to where that has it: it lacks nothing then.
    /// Nothing where it has as much.
    pub(super) fn lacking(&self, other: &Self) -> Vec<(PartitionId, Position)> {
        let numbers = 0..u16::try_from(self.positions.len()).unwrap_or(u16::MAX);
        let ends: Vec<_> = numbers
            .map(PartitionId)
            .filter_map(|partition| Some((partition, self.position(partition)?)))
            .collect();
        let has = |&(partition, end): &(PartitionId, Position)| {
            other.position(partition).is_some_and(|position| position >= end)
        };
        if ends.iter().all(has) { Vec::new() } else { ends }
    }

    fn position(&self, partition: PartitionId) -> Option<Position> {
        let stored = self.positions.get(usize::from(partition.0)).copied();
        stored.filter(|position| *position != NEVER)
    }

    /// What [`crate::port::History::recover`] answers.
    pub(super) fn stored(
        &self,
        partition: PartitionId,
        index: &Index,
    ) -> Result<StoredState, StoreError> {
        let failed = index_error("reading the duplicates");
        let mut duplicates = Vec::new();
        for (position, _) in self.duplicates.get(&partition.0).into_iter().flatten() {
            let row = index.state.get(duplicates_key(partition, *position)).map_err(&failed)?;
            row.and_then(|row| decode_duplicates(&row, &mut duplicates))
                .ok_or_else(|| index_corrupt("state", "a duplicates row is malformed"))?;
        }
        let applied = self.position(partition).unwrap_or_default();
        Ok(StoredState { partition, applied, duplicates })
    }

    /// Puts what `batch` says about partitions into `out`.
    pub(super) fn plan(
        &self,
        batch: &StoreBatch,
        index: &Index,
        out: &mut OwnedWriteBatch,
    ) -> Result<Change, StoreError> {
        let mut change = Change::default();
        self.plan_positions(batch, index, out, &mut change);
        self.plan_duplicates(batch, index, out, &mut change)?;
        self.plan_drops(batch, index, out, &mut change);
        Ok(change)
    }

    fn plan_positions(
        &self,
        batch: &StoreBatch,
        index: &Index,
        out: &mut OwnedWriteBatch,
        change: &mut Change,
    ) {
        let mut blocks = BTreeMap::new();
        for &(partition, applied) in &batch.applied {
            if self.position(partition).is_some_and(|stored| stored >= applied) {
                continue;
            }
            change.positions.push((partition, applied));
            let block = blocks.entry(partition.0 / BLOCK).or_insert_with(|| {
                let first = usize::from(partition.0 / BLOCK * BLOCK);
                let mut block = vec![NEVER; usize::from(BLOCK)];
                if let Some(stored) = self.positions.get(first..first + usize::from(BLOCK)) {
                    block.copy_from_slice(stored);
                }
                block
            });
            block[usize::from(partition.0 % BLOCK)] = applied;
        }
        // Blocks are written without gaps, so that their place follows from their order.
        if let Some((&last, _)) = blocks.last_key_value() {
            let present = (self.positions.len() / usize::from(BLOCK)) as u16;
            for block in present..last {
                blocks.entry(block).or_insert_with(|| vec![NEVER; usize::from(BLOCK)]);
            }
        }
        for (block, positions) in blocks {
            out.insert(&index.state, applied_key(block), encode_positions(&positions));
        }
    }

    fn plan_duplicates(
        &self,
        batch: &StoreBatch,
        index: &Index,
        out: &mut OwnedWriteBatch,
        change: &mut Change,
    ) -> Result<(), StoreError> {
        for (partition, entries) in &batch.duplicates {
            let new = batch.applied.iter().find(|(other, _)| other == partition).map(|(_, at)| *at);
            let stored = self.position(*partition);
            if entries.is_empty() || new.is_some_and(|new| stored.is_some_and(|old| old >= new)) {
                // This part of the batch was stored before.
                continue;
            }
            let key = new.or(stored).unwrap_or_default();
            let mut row = Vec::new();
            let rows = self.duplicates.get(&partition.0);
            if rows.and_then(VecDeque::back).is_some_and(|(last, _)| *last == key) {
                let failed = index_error("reading the duplicates");
                let held = index.state.get(duplicates_key(*partition, key)).map_err(failed)?;
                row.extend_from_slice(&held.unwrap_or_else(|| [].into()));
            }
            encode_duplicates(entries, &mut row);
            out.insert(&index.state, duplicates_key(*partition, key), row);
            change.added.push((*partition, key, entries.len()));
        }
        Ok(())
    }

    fn plan_drops(
        &self,
        batch: &StoreBatch,
        index: &Index,
        out: &mut OwnedWriteBatch,
        change: &mut Change,
    ) {
        for &(partition, kept) in &batch.duplicates_kept {
            let Some(rows) = self.duplicates.get(&partition.0) else { continue };
            let added = change.added.iter().find(|(other, ..)| *other == partition);
            let mut total = rows.iter().map(|(_, entries)| entries).sum::<usize>()
                + added.map_or(0, |(.., entries)| *entries);
            let mut dropped = 0;
            for &(position, entries) in rows {
                let still_written = added.is_some_and(|&(_, key, _)| key == position);
                if still_written || total - entries < kept {
                    break;
                }
                total -= entries;
                dropped += 1;
                out.remove(&index.state, duplicates_key(partition, position));
            }
            if dropped > 0 {
                change.dropped.push((partition, dropped));
            }
        }
    }

    /// The change is durable.
    pub(super) fn take_over(&mut self, change: Change) {
        for (partition, applied) in change.positions {
            let index = usize::from(partition.0);
            if index >= self.positions.len() {
                let blocks = index / usize::from(BLOCK) + 1;
                self.positions.resize(blocks * usize::from(BLOCK), NEVER);
            }
            self.positions[index] = applied;
        }
        for (partition, dropped) in change.dropped {
            if let Some(rows) = self.duplicates.get_mut(&partition.0) {
                rows.drain(..dropped);
            }
        }
        for (partition, key, added) in change.added {
            let rows = self.duplicates.entry(partition.0).or_default();
            match rows.back_mut() {
                Some((last, entries)) if *last == key => *entries += added,
                _ => rows.push_back((key, added)),
            }
        }
    }
}

/// As [`Applied::lowest`], as a snapshot of the index has it.
pub(super) fn lowest_in(snapshot: &Snapshot, index: &Index) -> Result<u64, StoreError> {
    Ok(lowest_of(&positions_in(snapshot.prefix(&index.state, b"a"))?))
}

fn lowest_of(positions: &[Position]) -> u64 {
    let known = positions.iter().filter(|position| **position != NEVER);
    known.map(|position| position.0).min().unwrap_or(0)
}

/// The applied positions in these rows, by partition.
fn positions_in(rows: impl Iterator<Item = Guard>) -> Result<Vec<Position>, StoreError> {
    let mut positions = Vec::new();
    for row in rows {
        let (_, value) = row.into_inner().map_err(index_error("reading the applied positions"))?;
        let block = decode_positions(&value).filter(|block| block.len() == usize::from(BLOCK));
        let malformed = || index_corrupt("state", "an applied row is malformed");
        positions.extend(block.ok_or_else(malformed)?);
    }
    Ok(positions)
}
