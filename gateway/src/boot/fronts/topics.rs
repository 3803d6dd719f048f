//! The producer of sends, as the thread `topics` meets it.

use std::time::Duration;

use anyhow::Context as _;
use openim_cluster::kafka::{Kafka, Landed, Producer, Purpose, Target};
use openim_record::LogPartition;
use openim_storage::port::StoreError;
use openim_workers::topics::{Appended, Topics};

/// See the module.
pub(super) struct OnKafka(Producer);

impl OnKafka {
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn new(kafka: &Kafka) -> anyhow::Result<Self> {
        Ok(Self(kafka.producer(Purpose::Sends).context("cannot start a producer of Kafka")?))
    }
}

impl Topics for OnKafka {
    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn submit(&mut self, to: LogPartition, record: &[u8]) -> Result<u64, StoreError> {
        self.0.submit(Target::Log(to), record)
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(u64, Result<Appended, StoreError>)) {
        self.0.poll(wait, &mut |ticket, became| {
            let appended = |Landed { position, append_ms }| Appended { position, append_ms };
            each(ticket, became.map(appended));
        });
    }
}
