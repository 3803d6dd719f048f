//! What a consumer's group gives it and takes from it, in the order in which it does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use openim_record::LogPartition;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol as Protocol,
};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::{Shared, quiet};

/// A partition came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Here(LogPartition),
    Gone(LogPartition),
}

/// Hears of changes on the thread that polls, inside of its call to librdkafka; that thread looks here right behind it.
pub(super) struct Rebalances {
    shared: Arc<Shared>,
    any: AtomicBool,
    /// The group has given this client its share, and has not missed it since.
    has_share: AtomicBool,
    moved: Mutex<VecDeque<Moved>>,
    broken: Mutex<Option<String>>,
    /// A commit has failed since somebody looked.
    uncommitted: AtomicBool,
}

impl Rebalances {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let (any, moved, broken) = (AtomicBool::default(), Mutex::default(), Mutex::default());
        let [has_share, uncommitted] = Default::default();
        Self { shared: shared.clone(), any, has_share, moved, broken, uncommitted }
    }

    /// What has happened since the last look.
    pub(super) fn take(&self) -> VecDeque<Moved> {
        if !self.any.swap(false, Ordering::AcqRel) {
            return VecDeque::new();
        }
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a commit has failed since the last look.
    pub(super) fn has_not_committed(&self) -> bool {
        self.uncommitted.swap(false, Ordering::AcqRel)
    }

    pub(super) fn has_share(&self) -> bool {
        self.has_share.load(Ordering::Relaxed)
    }

    /// Why this client can own nothing any more.
    pub(super) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, partitions: &TopicPartitionList, how: fn(LogPartition) -> Moved) {
        let elements = partitions.elements();
        let ours = elements.iter().filter_map(|one| self.shared.at(one.topic(), one.partition()));
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.extend(ours.map(how));
        self.any.store(true, Ordering::Release);
    }

    fn held(&self, done: KafkaResult<()>, doing: &str) {
        if let Err(error) = done {
            let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            *broken = Some(format!("{doing}: {error}"));
        }
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        quiet::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // librdkafka is given each when its owner begins it, with the place, and fetches nothing before. (Given one
            // without a place and paused, it would ask the brokers for one, and now and then take that instead of ours.)
            self.held(consumer.incremental_assign(&TopicPartitionList::new()), "taking partitions");
            self.tell(partitions, Moved::Here);
            self.has_share.store(true, Ordering::Relaxed);
            return;
        }
        if consumer.assignment_lost() {
            self.has_share.store(false, Ordering::Relaxed);
        }
        self.tell(partitions, Moved::Gone);
        let given = match consumer.rebalance_protocol() {
            Protocol::Cooperative => consumer
                .assignment()
                .and_then(|have| consumer.incremental_unassign(&both(partitions, &have))),
            Protocol::None | Protocol::Eager => consumer.unassign(),
        };
        self.held(given, "giving partitions back");
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            self.uncommitted.store(true, Ordering::Release);
            tracing::debug!(%error, "Kafka does not know how far this consumer is");
        }
    }
}

/// Those of some that are among others.
pub(super) fn both(some: &TopicPartitionList, others: &TopicPartitionList) -> TopicPartitionList {
    let mut both = TopicPartitionList::new();
    for one in some.elements() {
        if others.find_partition(one.topic(), one.partition()).is_some() {
            both.add_partition(one.topic(), one.partition());
        }
    }
    both
}
