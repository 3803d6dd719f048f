//! Kafka: the log of a cluster, in three topics (rules R1, R2 and R3 of a cluster).
//!
//! In: records, each for a partition that its producer names. Out: where each lies and when the broker took it, once for
//! each; and the records of the partitions that a consumer's group gives it, from where it says on. A record is durable
//! by all replicas that are in sync when it is answered. Never: a partition chosen by Kafka, a position read from Kafka's
//! own commits, a gap that is passed over in silence.
//!
//! The client is librdkafka, whose threads do all waiting for brokers. [`Producer`] and [`Consumer`] are each owned by one
//! thread. Dropping one of them, or the last copy of [`Kafka`], may take a second.

mod consumer;
mod fault;
mod options;
mod owned;
mod port;
mod producer;
mod quiet;
mod rebalance;
mod refusal;
mod stuck;
mod times;
mod topics;

use std::sync::{Arc, OnceLock};

use openim_record::{LogPartition, Placement, Position, Topic, position};
use openim_storage::port::StoreError;
use rdkafka::admin::AdminClient;
use rdkafka::consumer::BaseConsumer;

use crate::{Begun, Runtime};

pub use self::consumer::{Consumer, Event};
pub use self::options::{Login, Mechanism, Options, Security};
pub use self::port::{Head, Tail};
pub use self::producer::{Landed, Producer, Waker};
use self::quiet::Quiet;
pub use self::topics::{Topics, Warning};

/// See the module: a way to the brokers. Copies are of one and the same.
#[derive(Clone)]
pub struct Kafka {
    runtime: Runtime,
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    address: String,
    /// For questions. Its calls block, but for those that change topics.
    admin: AdminClient<Quiet>,
    /// For questions about times of records; made with the first of them.
    times: OnceLock<BaseConsumer<Quiet>>,
}

/// What a producer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Records of people who wait: refused after [`Options::send_timeout`]. One that is refused may be there all the
    /// same (R2).
    Sends,
    /// Records of an owner: tried for ever, in order and without a gap within a partition; after a refusal everything
    /// since the checkpoint is to be produced again (R1).
    Relays,
}

/// How soon a consumer wants to see what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once: somebody waits for it.
    Soon,
    /// Much together: each answer costs a broker about as much as many records do.
    InBulk,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Into this partition.
    Log(LogPartition),
    /// Among the notices, by the uid of whom it is for.
    Notice(&'a str),
}

impl Kafka {
    /// Makes a client; nothing is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: the settings. [`StoreError::Unavailable`]: the system gives no threads.
    pub fn open(runtime: &Runtime, options: Options) -> Result<Self, StoreError> {
        options.check()?;
        let address = options.address();
        let admin = options
            .client()
            .create_with_context(Quiet)
            .map_err(|error| fault::told(&format!("a client of Kafka at {address}"), error))?;
        let shared = Arc::new(Shared { options, address, admin, times: OnceLock::new() });
        Ok(Self { runtime: runtime.clone(), shared })
    }

    /// Makes the topics that are not there, and looks at those that are. Gives what should be said of them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: a topic contradicts the settings; the text names the topic and the key.
    /// [`StoreError::Unavailable`].
    pub async fn ensure_topics(&self) -> Result<Vec<Warning>, StoreError> {
        self.topics(true).await.map(|topics| topics.warnings)
    }

    /// Looks at the topics that are there. Makes none.
    ///
    /// # Errors
    /// As [`Self::ensure_topics`].
    pub async fn look_at_topics(&self) -> Result<Topics, StoreError> {
        self.topics(false).await
    }

    async fn topics(&self, make: bool) -> Result<Topics, StoreError> {
        let own = self.clone();
        let ensured = self.runtime.begin(async move {
            match topics::ensure(&own, make).await {
                Err(StoreError::Unavailable { what, cause }) => {
                    let why = own.blocking(|shared| refusal::refusal(&shared.options)).answer();
                    let cause = why.await.flatten().flatten().map_or(cause, Into::into);
                    Err(StoreError::Unavailable { what, cause })
                }
                ensured => ensured,
            }
        });
        ensured.answer().await.unwrap_or_else(|| Err(self.ended("looking at the topics of")))
    }

    /// A producer, for one thread.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the system gives no threads. [`StoreError::Rejected`]: the settings.
    pub fn producer(&self, of: Purpose) -> Result<Producer, StoreError> {
        Producer::open(self, of)
    }

    /// A member of a group that shares the partitions of `chat` and `group`, for one thread.
    ///
    /// # Errors
    /// As [`Self::producer`].
    pub fn consumer(&self, group: &str, pace: Pace) -> Result<Consumer, StoreError> {
        Consumer::open(self, group, pace, &[Topic::Chat, Topic::Group])
    }

    /// The positions of the first record of a partition, and of the next that comes; `epoch` counts its logs that were
    /// adopted, which only its readers know.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also when there is no such partition.
    pub async fn ends(
        &self,
        at: LogPartition,
        epoch: u16,
    ) -> Result<(Position, Position), StoreError> {
        let asked = self.blocking(move |shared| shared.ends(at)).answer().await;
        let ends = asked.flatten().unwrap_or_else(|| Err(self.ended("asking")))?;
        self.shared.positions(epoch, ends)
    }

    /// [`Self::ends`] of each, in the same order, as of logs of which none was adopted.
    ///
    /// # Errors
    /// As there.
    pub async fn all_ends(
        &self,
        of: Vec<LogPartition>,
    ) -> Result<Vec<(Position, Position)>, StoreError> {
        let ask = move |shared: &Shared| of.into_iter().map(|at| shared.ends(at)).collect();
        let asked: Option<Result<Vec<_>, _>> = self.blocking(ask).answer().await.flatten();
        let asked = asked.unwrap_or_else(|| Err(self.ended("asking")))?;
        asked.into_iter().map(|ends| self.shared.positions(0, ends)).collect()
    }

    /// The name of a topic, for people.
    #[must_use]
    pub fn name_of(&self, topic: Topic) -> &str {
        self.shared.topic(topic)
    }

    /// The name that the brokers have given themselves at their first start; `None` of brokers that have none.
    pub async fn id(&self) -> Option<String> {
        let ask =
            |shared: &Shared| shared.admin.inner().fetch_cluster_id(shared.options.call_timeout);
        self.blocking(ask).answer().await.flatten().flatten()
    }

    /// Asks whether a record could arrive: whether brokers answer, and one of them leads a partition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: why none could.
    pub async fn check(&self) -> Result<(), StoreError> {
        let asked = self.blocking(Shared::check).answer().await;
        asked.flatten().unwrap_or_else(|| Err(self.ended("asking")))
    }

    /// Runs a call that blocks, on a thread of the runtime for such; `None` when it has ended.
    fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Begun<Option<T>> {
        let shared = self.shared.clone();
        let call = move || tokio::task::spawn_blocking(move || call(&shared));
        self.runtime.begin(async move { call().await.ok() })
    }

    fn ended(&self, doing: &str) -> StoreError {
        fault::unavailable(&self.shared.what(doing), "the process ends")
    }
}

impl Shared {
    /// What is being done, for an error.
    fn what(&self, doing: &str) -> String {
        format!("{doing} Kafka at {}", self.address)
    }

    fn topic(&self, topic: Topic) -> &str {
        match topic {
            Topic::Chat => &self.options.chat,
            Topic::Group => &self.options.group,
        }
    }

    fn all_partitions(&self) -> Vec<LogPartition> {
        let of = |topic| {
            let all = (0..self.options.partitions).map(openim_record::PartitionId);
            all.map(move |partition| LogPartition { topic, partition })
        };
        [Topic::Chat, Topic::Group].into_iter().flat_map(of).collect()
    }

    /// Which partition of which topic a name and a number mean; `None`: none of ours.
    fn at(&self, topic: &str, partition: i32) -> Option<LogPartition> {
        let topic =
            [Topic::Chat, Topic::Group].into_iter().find(|one| self.topic(*one) == topic)?;
        let partition =
            u16::try_from(partition).ok().filter(|one| *one < self.options.partitions)?;
        Some(LogPartition { topic, partition: openim_record::PartitionId(partition) })
    }

    /// Topic and partition of a target; `None`: there is no such partition.
    fn place(&self, to: Target<'_>) -> Option<(&str, i32)> {
        match to {
            Target::Log(at) => (at.partition.0 < self.options.partitions)
                .then(|| (self.topic(at.topic), i32::from(at.partition.0))),
            Target::Notice(uid) => {
                let placement = Placement::new(self.options.notice_partitions);
                Some((&self.options.notices, i32::from(placement.partition(uid).0)))
            }
        }
    }

    /// # Errors
    /// As [`Self::position`].
    fn positions(
        &self,
        epoch: u16,
        (first, next): (i64, i64),
    ) -> Result<(Position, Position), StoreError> {
        Ok((self.position(epoch, first)?, self.position(epoch, next)?))
    }

    /// # Errors
    /// [`StoreError::Unavailable`]: the broker told no offset.
    fn position(&self, epoch: u16, offset: i64) -> Result<Position, StoreError> {
        let position = u64::try_from(offset).ok().and_then(|at| position(epoch, at));
        position.ok_or_else(|| {
            fault::unavailable(&self.what("asking"), format!("{offset} is no offset"))
        })
    }

    /// See [`Kafka::check`]. Blocks.
    fn check(&self) -> Result<(), StoreError> {
        let (what, topic) = (self.what("asking"), &self.options.chat);
        let asked = self.admin.inner().fetch_metadata(Some(topic), self.options.call_timeout);
        let metadata = asked.map_err(|error| fault::told(&what, error))?;
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        if partitions.any(|partition| partition.leader() >= 0) {
            return Ok(());
        }
        Err(fault::unavailable(&what, format!("no partition of {topic} has a leader")))
    }

    /// Offsets of the first record and of the next. Blocks.
    fn ends(&self, at: LogPartition) -> Result<(i64, i64), StoreError> {
        let (topic, partition) = (self.topic(at.topic), i32::from(at.partition.0));
        let client = self.admin.inner();
        client.fetch_watermarks(topic, partition, self.options.call_timeout).map_err(|error| {
            fault::told(
                &self.what(&format!("asking for the ends of {topic} {partition} of")),
                error,
            )
        })
    }
}
