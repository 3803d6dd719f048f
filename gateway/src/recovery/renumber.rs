//! Inboxes brought to where they were, in an index that was opened again while the server runs and lacks some of them.
//!
//! In: up to where each partition was stored, and the log. Out: the same numbers as before, stored: the shards of the server,
//! which have what lies behind, know nothing of it. Bounded as a start is: in memory is what has not been stored yet, and who
//! is named there.

use openim_config::Config;
use openim_record::{PartitionId, Placement, Position, StoreBatch, StoredState};
use openim_shard::Shard;
use openim_storage::embedded;
use openim_storage::port::{Consume, History, StoreError, wait};

use super::{Replay, empty, replay_up_to};
use crate::settings::Settings;

/// Far behind the end of any log: a partition that was applied up to there takes nothing.
const NEVER: Position = Position(u64::MAX >> 1);

/// See the module.
pub(crate) struct Renumber {
    settings: Settings,
    placement: Placement,
}

impl Renumber {
    pub(crate) fn new(config: &Config, placement: Placement) -> Self {
        Self { settings: Settings::new(config, String::new(), 1), placement }
    }
}

impl embedded::Renumber for Renumber {
    fn renumber(
        &self,
        ends: &[(PartitionId, Position)],
        tail: &mut dyn Consume,
        history: &dyn History,
    ) -> Result<(), StoreError> {
        let mut states = empty(&self.settings, self.placement, 1);
        let ends = Ends::new(ends, self.placement.partitions());
        replay_up_to(&mut states, self.placement, tail, history, ends).map(drop).map_err(|error| {
            let what = "numbering what the log holds".to_owned();
            StoreError::Unavailable { what, cause: format!("{error:#}").into() }
        })
    }
}

/// Up to where each partition takes records; what lies behind is another's.
pub(super) struct Ends {
    of: Vec<Position>,
    /// The lowest of those that are open.
    next: Option<Position>,
}

impl Ends {
    fn new(ends: &[(PartitionId, Position)], partitions: u16) -> Self {
        let mut of = vec![Position(0); usize::from(partitions)];
        for &(partition, end) in ends {
            if let Some(known) = of.get_mut(usize::from(partition.0)) {
                *known = end;
            }
        }
        let next = of.iter().min().copied();
        Self { of, next }
    }

    /// Takes out of a batch what it says of partitions that are closed already, or goes beyond the end of one.
    fn cut(&self, batch: &mut StoreBatch) {
        let open = |partition: &PartitionId| {
            let end = self.of.get(usize::from(partition.0)).copied();
            end.filter(|end| self.next.is_some_and(|next| next <= *end))
        };
        batch.applied.retain_mut(|(partition, applied)| {
            let end = open(partition);
            *applied = end.map_or(*applied, |end| end.min(*applied));
            end.is_some()
        });
        batch.duplicates.retain(|(partition, _)| open(partition).is_some());
        batch.duplicates_kept.retain(|(partition, _)| open(partition).is_some());
    }
}

impl Replay<'_> {
    /// Closes the partitions that end at or below `position`, when all below that has been shown.
    pub(super) fn close_below(&mut self, position: Position) -> Result<(), StoreError> {
        let is_due = |ends: &Ends| ends.next.is_some_and(|next| next <= position);
        if !self.ends.as_ref().is_some_and(is_due) {
            return Ok(());
        }
        for number in 0..self.states.len() {
            self.put(number, position)?;
        }
        let Some(ends) = &mut self.ends else { return Ok(()) };
        let closed = |end: Position| ends.next <= Some(end) && end <= position;
        for (number, _) in (0..).zip(&ends.of).filter(|(_, end)| closed(**end)) {
            let partition = PartitionId(number);
            let stored = StoredState { partition, applied: NEVER, duplicates: Vec::new() };
            self.states.iter_mut().for_each(|shard: &mut Shard| shard.recover(&stored));
        }
        ends.next = ends.of.iter().filter(|end| **end > position).min().copied();
        Ok(())
    }

    /// Hands what a shard has to the history store. All below `head` has been shown to it.
    pub(super) fn put(&mut self, shard: usize, head: Position) -> Result<(), StoreError> {
        let shard = &mut self.states[shard];
        let Some(mut batch) = shard.take_batch(head) else { return Ok(()) };
        if let Some(ends) = &self.ends {
            ends.cut(&mut batch);
        }
        wait(self.history.store(&batch))?;
        shard.stored();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_says_nothing_of_what_is_closed_and_nothing_beyond_an_end() {
        let ends = [(PartitionId(1), Position(50)), (PartitionId(2), Position(90))];
        let mut ends = Ends::new(&ends, 4);
        assert_eq!(ends.next, Some(Position(0)), "who was never applied takes nothing");
        ends.next = Some(Position(90));
        let all = (0..4).map(PartitionId);
        let mut batch = StoreBatch {
            applied: all.clone().map(|partition| (partition, Position(200))).collect(),
            duplicates: all.clone().map(|partition| (partition, Vec::new())).collect(),
            duplicates_kept: all.map(|partition| (partition, 7)).collect(),
            ..StoreBatch::default()
        };
        ends.cut(&mut batch);
        assert_eq!(batch.applied, [(PartitionId(2), Position(90))]);
        assert_eq!(batch.duplicates_kept, [(PartitionId(2), 7)]);
        assert_eq!(batch.duplicates.len(), 1);
    }
}
