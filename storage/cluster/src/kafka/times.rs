//! Times of records: whether a log is the one that was read before.

use openim_record::{LogPartition, Position};
use openim_storage::port::StoreError;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::quiet::Quiet;
use super::{Kafka, Shared, fault};

impl Kafka {
    /// The first record of a partition that the broker took later than this, unix milliseconds. Of the log that a reader
    /// has read up to some place, with this the newest time it has met, none lies below that place; so another log of
    /// the same name is known though it has grown longer. `epoch`: as for [`Self::ends`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn first_after(
        &self,
        at: LogPartition,
        epoch: u16,
        append_ms: i64,
    ) -> Result<Option<Position>, StoreError> {
        let asked = self.blocking(move |shared| shared.first_after(at, append_ms)).answer().await;
        let found = asked.flatten().unwrap_or_else(|| Err(self.ended("asking")))?;
        found.map(|offset| self.shared.position(epoch, offset)).transpose()
    }
}

impl Shared {
    /// Blocks.
    fn first_after(&self, at: LogPartition, append_ms: i64) -> Result<Option<i64>, StoreError> {
        let what = || self.what("asking for times of records of");
        let failed = |error| fault::told(&what(), error);
        let client = match self.times.get() {
            Some(client) => client,
            None => {
                let mut config: ClientConfig = self.options.client();
                // It joins no group, and librdkafka wants a name of one all the same.
                config.set("group.id", "openim-times");
                let client: BaseConsumer<Quiet> =
                    config.create_with_context(Quiet).map_err(failed)?;
                self.times.get_or_init(|| client)
            }
        };
        let mut asked = TopicPartitionList::new();
        let from = Offset::Offset(append_ms.saturating_add(1));
        asked
            .add_partition_offset(self.topic(at.topic), at.partition.0.into(), from)
            .map_err(failed)?;
        let found = client.offsets_for_times(asked, self.options.call_timeout).map_err(failed)?;
        let Some(one) = found.elements().into_iter().next() else { return Ok(None) };
        one.error().map_err(failed)?;
        match one.offset() {
            Offset::Offset(offset) => Ok(Some(offset)),
            _ => Ok(None),
        }
    }
}
