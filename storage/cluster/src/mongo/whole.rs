//! Whether the store has all that it had (L2: what was newest never falls, whatever a store has lost).
//!
//! A process of it that has just begun, or has taken another's place, may lack the newest of what was acknowledged, stored
//! and shown: it was put back from a copy, or was behind the one that failed. The log has it still, and its owners store it
//! again. Until they have, inboxes of the partition are not read: an error says less than a message that seems never to
//! have been.
//!
//! In: which process answers, how far a partition is known to be stored again. Out: whether what was read counts. Where
//! nobody tells ([`MongoHistory::hold_reads`]), everything does.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::doc;
use openim_record::{LogPartition, PartitionId, Placement, Position, Topic, UserId};
use openim_storage::port::StoreError;

use super::fault::unavailable;
use super::server::{CHECKPOINTS, Server, first};
use super::{MongoHistory, shapes};

/// By partition: up to which process of the store, as they are counted, it is known to have all that it had.
#[derive(Debug, Default)]
pub(super) struct Whole(OnceLock<Box<[AtomicU64]>>);

impl Whole {
    fn hold(&self, partitions: u16) {
        self.0.get_or_init(|| (0..partitions).map(|_| AtomicU64::new(0)).collect());
    }

    fn is(&self, partition: PartitionId, process: u64) -> bool {
        let told = |known: &[AtomicU64]| {
            let known = known.get(usize::from(partition.0));
            known.is_some_and(|known| known.load(Ordering::SeqCst) >= process)
        };
        self.0.get().is_none_or(|known| told(known))
    }

    fn tell(&self, partition: PartitionId, process: u64) {
        if let Some(known) = self.0.get().and_then(|known| known.get(usize::from(partition.0))) {
            known.fetch_max(process, Ordering::SeqCst);
        }
    }
}

/// What the process of the store that answers is not known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    process: u64,
    /// Their inboxes are not read.
    pub partitions: Vec<PartitionId>,
}

impl Lacking {
    /// Whether the same process was found at both looks.
    #[must_use]
    pub const fn is_of_the_process(&self, of: &Self) -> bool {
        self.process == of.process
    }

    /// Whether no other process has answered here before.
    #[must_use]
    pub const fn is_of_the_first(&self) -> bool {
        self.process <= 1
    }
}

impl MongoHistory {
    /// From now on inboxes of a partition are read once it is told to be whole ([`Self::is_whole`]), and no more when
    /// another process of the store answers, until then.
    pub fn hold_reads(&self) {
        self.server.whole.hold(self.server.options.partitions);
    }

    /// Partitions whose inboxes are not read now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lacking(&self) -> Result<Lacking, StoreError> {
        self.call("asking which process answers", |server, what| async move {
            // Asked in any case: perhaps nobody has since another process began.
            server.look(&what).await?;
            server.verify(&what).await?;
            let process = server.generations.processes();
            let all = (0..server.options.partitions).map(PartitionId);
            let partitions = all.filter(|at| !server.whole.is(*at, process)).collect();
            Ok(Lacking { process, partitions })
        })
        .await
    }

    /// How far the inboxes of these partitions are stored, in the topic of the records that they are made of, by the process
    /// that was found [`Self::lacking`]. In the same order; `None`: nothing ever was.
    ///
    /// # Errors
    /// [`StoreError`], also when another process answers by now.
    pub async fn stored(&self, lacking: &Lacking) -> Result<Vec<Option<Position>>, StoreError> {
        let Lacking { process, partitions } = lacking.clone();
        self.call("reading checkpoints", move |server, what| async move {
            let of = |partition: &PartitionId| {
                shapes::number(LogPartition { topic: Topic::Chat, partition: *partition })
            };
            let ids: Vec<i32> = partitions.iter().map(of).collect();
            let (filter, mut all) = (doc! { "_id": { "$in": &ids } }, first(ids.len()));
            all.projection = Some(doc! { "o": 1 });
            let mut stored = HashMap::new();
            server
                .each(&what, CHECKPOINTS, filter, all, |checkpoint| {
                    let read = checkpoint
                        .get_i32("_id")
                        .and_then(|id| Ok((id, shapes::position(checkpoint)?)));
                    stored
                        .extend([read.map_err(|cause| server.malformed(CHECKPOINTS, "", cause))?]);
                    Ok(true)
                })
                .await?;
            server.verify(&what).await?;
            match server.generations.processes() == process {
                true => Ok(ids.iter().map(|id| stored.get(id).copied()).collect()),
                false => Err(unavailable(&what, "another process of the store answers")),
            }
        })
        .await
    }

    /// The process that was found [`Self::lacking`] has of this partition all that any before it had.
    pub fn is_whole(&self, lacking: &Lacking, partition: PartitionId) {
        self.server.whole.tell(partition, lacking.process);
    }
}

impl Server {
    /// Whether what was just read of these users' inboxes is all that there was.
    pub(super) async fn has_all_of(&self, what: &str, users: &[UserId]) -> Result<(), StoreError> {
        if self.whole.0.get().is_none() {
            return Ok(());
        }
        // It was read by a connection that is open by now, so its process is known behind this.
        self.verify(what).await?;
        let process = self.generations.processes();
        let placement = Placement::new(self.options.partitions);
        let whole = |user: &UserId| self.whole.is(placement.partition(user.as_str()), process);
        match users.iter().all(whole) {
            true => Ok(()),
            // At the start nobody knows of another.
            false if process <= 1 => {
                let why = "it is not known yet whether the store has all that the log has had";
                Err(unavailable(what, why))
            }
            false => Err(unavailable(
                what,
                "another process of the store answers, and may lack what is not stored again yet",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_read_when_it_is_whole_and_not_by_the_next_process() {
        let (whole, [one, other]) = (Whole::default(), [PartitionId(0), PartitionId(1)]);
        assert!(whole.is(one, 7), "nobody tells");
        whole.hold(2);
        assert!(!whole.is(one, 1));
        whole.tell(one, 1);
        assert_eq!((whole.is(one, 1), whole.is(other, 1), whole.is(one, 2)), (true, false, false));
        // Of a process that is gone by now.
        whole.tell(one, 2);
        whole.tell(one, 1);
        assert!(whole.is(one, 2));
    }
}
