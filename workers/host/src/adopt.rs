//! Adopting a log: what readers of it miss that was lost for good is left behind, because somebody says so (R3).
//!
//! In: where inboxes and the archive have come to, and the log as it is. Out: those that cannot go on, and for each a place
//! in the log from which they can. Nothing that is stored changes, and no number is given again: inboxes go on behind their
//! newest, and positions of the log that is adopted lie above all before.
//!
//! Transfers may run meanwhile: a checkpoint is compared and set, so one that has not noticed yet loads its partition again.

use std::fmt;

use openim_cluster::kafka::Kafka;
use openim_cluster::mongo::{Generation, MongoHistory};
use openim_cluster::mysql::{ArchivePlace, MysqlArchive};
use openim_record::{Checkpoint, LogPartition, PartitionId, Position, Topic};
use openim_storage::port::StoreError;
use openim_transfer::Misfit;

use crate::calls::log_now;

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Owners of partitions, into inboxes.
    Inboxes,
    /// The archiver.
    Archive,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inboxes => "inboxes",
            Self::Archive => "archive",
        })
    }
}

/// A reader of a partition that cannot go on.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Which partition.
    pub at: LogPartition,
    /// Who.
    pub reader: Reader,
    /// Why.
    pub misfit: Misfit,
    /// The newest append time of what was read, unix milliseconds; 0: nothing was.
    pub time_ms: i64,
    /// Where it goes on once the log is adopted; `None` where logs are counted no further.
    pub to: Option<Position>,
    stored: Stored,
}

/// What is there of a reader.
#[derive(Clone, Debug)]
enum Stored {
    Checkpoint(Generation, Option<Checkpoint>),
    Place,
}

/// Where readers are, and the log that they read.
pub struct Adopting {
    /// The log.
    pub kafka: Kafka,
    /// Inboxes and checkpoints.
    pub history: MongoHistory,
    /// The archive, and how far it is.
    pub archive: std::sync::Arc<MysqlArchive>,
    /// Partitions of each topic.
    pub partitions: u16,
}

impl Adopting {
    /// Readers that cannot go on; of these partitions only, where there are any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look(&self, only: &[LogPartition]) -> Result<Vec<Adoption>, StoreError> {
        let (generation, checkpoints) = self.history.checkpoints().await?;
        let places = self.archive.places().await?;
        let mut found = Vec::new();
        for at in self.all().filter(|at| only.is_empty() || only.contains(at)) {
            let checkpoint = checkpoints.iter().find(|(of, _)| *of == at).map(|(_, found)| found);
            let read = checkpoint.map(|of| (of.next, of.time_ms));
            let stored = Stored::Checkpoint(generation, checkpoint.cloned());
            found.extend(self.judge(at, Reader::Inboxes, read, stored).await?);
            // One that has archived nothing begins with the first record there is.
            if let Some(place) = places.iter().find(|place| place.at == at) {
                let read = Some((place.next, place.time_ms));
                found.extend(self.judge(at, Reader::Archive, read, Stored::Place).await?);
            }
        }
        Ok(found)
    }

    fn all(&self) -> impl Iterator<Item = LogPartition> + use<> {
        let partitions = self.partitions;
        [Topic::Chat, Topic::Group].into_iter().flat_map(move |topic| {
            (0..partitions)
                .map(move |number| LogPartition { topic, partition: PartitionId(number) })
        })
    }

    async fn judge(
        &self,
        at: LogPartition,
        reader: Reader,
        read: Option<(Position, i64)>,
        stored: Stored,
    ) -> Result<Option<Adoption>, StoreError> {
        let log = log_now(&self.kafka, at, read).await?;
        let (next, time_ms) = read.unwrap_or_default();
        let adoption = |misfit: Misfit| {
            let to = misfit.adopted();
            Adoption { at, reader, misfit, time_ms, to, stored }
        };
        Ok(log.fits(next).err().map(adoption))
    }

    /// Lets a reader go on. Done again it changes nothing: who has adopted a log can go on in it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: somebody else was quicker; look again. [`StoreError`].
    pub async fn adopt(&self, adoption: &Adoption) -> Result<(), StoreError> {
        let Adoption { at, time_ms, to, stored, .. } = adoption;
        let Some(next) = *to else { return Ok(()) };
        match stored {
            Stored::Checkpoint(generation, found) => {
                let was = found.as_ref().map(|found| found.next);
                // What was applied of others' relays, and the times that the window is judged by, stay as they are.
                let high_waters = found.as_ref().map(|found| found.high_waters.clone());
                let high_waters = high_waters.unwrap_or_default();
                let checkpoint = Checkpoint { next, time_ms: *time_ms, high_waters };
                self.history.store_checkpoint(*generation, *at, was, checkpoint, Vec::new()).await
            }
            Stored::Place => {
                let place = ArchivePlace { at: *at, next, time_ms: *time_ms };
                self.archive.note(vec![place]).await
            }
        }
    }
}
