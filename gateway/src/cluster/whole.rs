//! Whether the store of inboxes has again all that it had, since another process of it answers (L2): it may have been put
//! back from a copy, or have taken over from one that had more.
//!
//! In: partitions that it lacks something of, perhaps; how far the log goes; how far each of them is stored. Out: which are
//! whole, so that their inboxes are read again. The log's end is asked for behind the look that found the process: whatever
//! was shown to anybody before is below it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openim_cluster::kafka::Kafka;
use openim_cluster::mongo::{Lacking, MongoHistory};
use openim_record::{LogPartition, PartitionId, Topic, place};
use openim_storage::port::StoreError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::rest::Rest;
use super::status::Status;

/// Between two looks while all is there: as late as that a process is found that nobody has read from.
const LOOK: Duration = Duration::from_millis(500);
/// The same while something is not.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a start waits for a first look: brokers tell nothing of a new topic for some moments.
const FIRST: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Whole {
    history: MongoHistory,
    kafka: Kafka,
    status: Arc<Status>,
    /// How far the log went when the process of the store was found that answers: of partitions with records. In the log
    /// that is there; which of several that were adopted it is, its readers know.
    ends: HashMap<PartitionId, u64>,
    of: Option<Lacking>,
}

impl Whole {
    /// From now on no inbox is read before its partition is known to be whole.
    pub(crate) fn new(history: MongoHistory, kafka: Kafka, status: Arc<Status>) -> Self {
        history.hold_reads();
        Self { history, kafka, status, ends: HashMap::new(), of: None }
    }

    /// The first look. What stands in its way for longer is told by this one and those behind it.
    pub(crate) async fn begin(&mut self) {
        let limit = Instant::now() + FIRST;
        let mut looked = self.tell().await;
        while looked.is_err() && Instant::now() < limit {
            sleep(LOOK_AGAIN).await;
            looked = self.tell().await;
        }
        self.note(&looked);
    }

    /// Looks until `stopped`.
    pub(crate) async fn watch(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut rest = Rest::new();
        loop {
            let pause = match self.look().await {
                Ok(left) => {
                    rest.over();
                    if left == 0 { LOOK } else { LOOK_AGAIN }
                }
                Err(_) => rest.next(),
            };
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Looks once, and tells the store what it has again. How many partitions are not known to be whole.
    async fn look(&mut self) -> Result<usize, StoreError> {
        let looked = self.tell().await;
        self.note(&looked);
        looked
    }

    fn note(&self, looked: &Result<usize, StoreError>) {
        let at_the_start = self.of.as_ref().is_none_or(Lacking::is_of_the_first);
        self.status.lacking(looked, at_the_start);
    }

    async fn tell(&mut self) -> Result<usize, StoreError> {
        let lacking = self.history.lacking().await?;
        if lacking.partitions.is_empty() {
            return Ok(0);
        }
        if !self.of.as_ref().is_some_and(|of| of.is_of_the_process(&lacking)) {
            self.ends = self.ends_of(&lacking.partitions).await?;
            self.of = Some(lacking.clone());
        }
        let stored = self.history.stored(&lacking).await?;
        let mut left = 0;
        for (partition, stored) in lacking.partitions.iter().zip(stored) {
            match self.ends.get(partition) {
                Some(end) if stored.is_none_or(|stored| place(stored).1 < *end) => left += 1,
                _ => self.history.is_whole(&lacking, *partition),
            }
        }
        Ok(left)
    }

    async fn ends_of(
        &self,
        partitions: &[PartitionId],
    ) -> Result<HashMap<PartitionId, u64>, StoreError> {
        let at =
            |partition: &PartitionId| LogPartition { topic: Topic::Chat, partition: *partition };
        let ends = self.kafka.all_ends(partitions.iter().map(at).collect()).await?;
        let known = partitions.iter().zip(ends);
        // Of a log without records nothing is stored again.
        let with_records = known.filter(|(_, (first, next))| first < next);
        Ok(with_records.map(|(partition, (_, next))| (*partition, place(next).1)).collect())
    }
}
