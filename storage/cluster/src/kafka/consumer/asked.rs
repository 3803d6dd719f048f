//! What a consumer asks the brokers, and waits for.

use openim_record::{LogPartition, Position};
use openim_storage::port::StoreError;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Consumer;
use crate::kafka::fault;

impl Consumer {
    /// What the group has committed of a partition ([`Self::applied`]), if it ever has: for a reader that keeps no place of
    /// its own. Waits for the brokers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn committed(&mut self, at: LogPartition) -> Result<Option<Position>, StoreError> {
        let timeout = self.kafka.shared.options.call_timeout;
        self.only(self.client.committed_offsets(self.list([(at, None)]), timeout))
    }

    /// The first record of a partition that the broker took later than this, unix milliseconds. Of the log that a reader
    /// has read up to some place, with this the newest time it has met, none lies below that place; so another log of
    /// the same name is known though it has grown longer. Waits for the brokers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn first_after(
        &mut self,
        at: LogPartition,
        append_ms: i64,
    ) -> Result<Option<Position>, StoreError> {
        let timeout = self.kafka.shared.options.call_timeout;
        let asked = self.list([(at, Some(Offset::Offset(append_ms.saturating_add(1))))]);
        self.only(self.client.offsets_for_times(asked, timeout))
    }

    /// The one offset that was asked for, if there is one.
    fn only(
        &self,
        found: Result<TopicPartitionList, KafkaError>,
    ) -> Result<Option<Position>, StoreError> {
        let shared = &self.kafka.shared;
        let failed = |error| fault::told(&shared.what("asking"), error);
        let found = found.map_err(failed)?;
        let Some(one) = found.elements().into_iter().next() else { return Ok(None) };
        one.error().map_err(failed)?;
        match one.offset() {
            Offset::Offset(offset) => shared.position(offset).map(Some),
            _ => Ok(None),
        }
    }
}
