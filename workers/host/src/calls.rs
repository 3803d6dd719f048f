//! Calls of stores, directory and presence, begun on the runtime; each sends one answer back to the transfer's thread.
//!
//! A call that fails answers after a pause, so that whoever asks again at once keeps nobody busy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_cluster::Runtime;
use openim_cluster::mongo::{Generation, MongoHistory, StoredPartition};
use openim_cluster::mysql::MysqlArchive;
use openim_cluster::redis::Presence;
use openim_record::{
    Batch, Checkpoint, GroupId, LogPartition, PageEntry, PartitionId, Position, Process, Role,
    Sight, Topic, UserId, place,
};
use openim_storage::port::{Groups, History as _, StoreError};
use openim_transfer::{Life, LoadedGroup, LoadedUser, LogNow, Misfit};
use tokio::sync::{Semaphore, mpsc};

use crate::held::Key;
use crate::pause::pause;
use crate::troubles::Component;
use openim_cluster::kafka::Kafka;

/// Members that one question names.
const MEMBERS_PAGE: usize = 1_000;
/// How often a group is read that changes meanwhile, before the owner asks again.
const GROUP_TRIES: usize = 3;

/// Entries of a batch beyond which it waits for others of its kind first.
const LARGE: usize = 64;

/// A partition as it is stored, and its log as it was then.
pub(crate) type Loaded = (StoredPartition, LogNow);

/// A partition that every log has.
pub(crate) const ANY: LogPartition = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Or which component has failed.
    Partition(Key, Life, Result<Loaded, (Component, StoreError)>),
    Users(Key, Life, Vec<UserId>, Result<Vec<LoadedUser>, StoreError>),
    Group(Key, Life, Result<LoadedGroup, StoreError>),
    Stored(Key, Life, Result<(), StoreError>),
    Checkpointed(Key, Life, Result<(), StoreError>),
    Saw(Key, Life, u64, Result<Sight, StoreError>),
    /// What a front has reached; `None`: it was not told.
    Reached(Key, Life, u64, Process, Option<Vec<u8>>),
    Settled(Key, Life, u64, Process),
    /// Groups in memory as the directory has them; one that it does not have is above all versions.
    Versions(Result<Vec<(GroupId, u64)>, StoreError>),
    /// Checkpoints of all partitions, as they are stored now.
    Checkpoints(Result<Vec<(LogPartition, Checkpoint)>, StoreError>),
    /// A component that had failed was asked whether it is well.
    Asked(Component, Result<(), StoreError>),
    /// A record is set aside.
    Buried,
}

/// An answer, and when its call had begun.
pub(crate) type Came = (Instant, Answer);

/// Begins calls.
pub(crate) struct Calls {
    pub(crate) runtime: Runtime,
    pub(crate) kafka: Kafka,
    pub(crate) history: MongoHistory,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) presence: Presence,
    pub(crate) letters: Arc<MysqlArchive>,
    /// Calls of the history that may be under way.
    pub(crate) places: Arc<Semaphore>,
    /// Of these, such that store large batches, as of a group with many members: the store works on few at a time, and
    /// small ones, for which somebody waits, get in between.
    pub(crate) large: Arc<Semaphore>,
    /// Records that may wait to be set aside.
    pub(crate) graves: Arc<Semaphore>,
    pub(crate) answers: mpsc::Sender<Came>,
}

impl Calls {
    /// `rest`: how long a failure is kept back.
    fn begin<T: Send + 'static, E: Send + 'static>(
        &self,
        rest: Duration,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
        answer: impl FnOnce(Result<T, E>) -> Answer + Send + 'static,
    ) {
        let answers = self.answers.clone();
        drop(self.runtime.begin(async move {
            let began = Instant::now();
            let result = call.await;
            if result.is_err() {
                tokio::time::sleep(rest).await;
            }
            // Nobody listens any more where the transfer has ended.
            drop(answers.send((began, answer(result))).await);
        }));
    }

    /// One of the history, in its turn: time in which it waits for others is none of its own.
    fn begin_in_turn<T: Send + 'static, E: Send + 'static>(
        &self,
        rest: Duration,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
        answer: impl FnOnce(Result<T, E>) -> Answer + Send + 'static,
    ) {
        let places = Arc::clone(&self.places);
        let in_turn = async move {
            let place = places.acquire().await;
            let result = call.await;
            drop(place);
            result
        };
        self.begin(rest, in_turn, answer);
    }

    pub(crate) fn load_partition(&self, key: Key, life: Life, rest: Duration) {
        let (history, kafka) = (self.history.clone(), self.kafka.clone());
        let call = async move {
            let stored = history.load_partition(key.at).await;
            let stored = stored.map_err(|error| (Component::History, error))?;
            // The checkpoint was read first: the log has it by now.
            let read = stored.checkpoint.as_ref().map(|of| (of.next, of.time_ms));
            let log = log_now(&kafka, key.at, read).await;
            Ok((stored, log.map_err(|error| (Component::Log, error))?))
        };
        self.begin_in_turn(rest, call, move |result| Answer::Partition(key, life, result));
    }

    /// Whether somebody has adopted another log.
    pub(crate) fn checkpoints(&self) {
        let history = self.history.clone();
        let call = async move { history.checkpoints().await.map(|(_, all)| all) };
        self.begin_in_turn(Duration::ZERO, call, Answer::Checkpoints);
    }

    pub(crate) fn load_users(
        &self,
        key: Key,
        life: Life,
        from: Position,
        users: Vec<UserId>,
        rest: Duration,
    ) {
        let (history, asked) = (self.history.clone(), users.clone());
        let call = async move { history.load_users(from, asked).await };
        self.begin_in_turn(rest, call, move |result| Answer::Users(key, life, users, result));
    }

    pub(crate) fn store(&self, key: Key, life: Life, generation: Generation, batch: Batch) {
        let (history, places, large) =
            (self.history.clone(), Arc::clone(&self.places), Arc::clone(&self.large));
        let call = async move {
            let is_large = batch.documents.len() > LARGE;
            let _among_large = match is_large {
                true => large.acquire().await.ok(),
                false => None,
            };
            let _place = places.acquire().await;
            history.store_batch(generation, key.at, batch).await
        };
        self.begin(Duration::ZERO, call, move |result| Answer::Stored(key, life, result));
    }

    pub(crate) fn checkpoint(
        &self,
        key: Key,
        life: Life,
        generation: Generation,
        was: Option<Position>,
        (checkpoint, page): (Checkpoint, Vec<PageEntry>),
    ) {
        let history = self.history.clone();
        let call = async move {
            history.store_checkpoint(generation, key.at, was, checkpoint, page).await
        };
        let answer = move |result| Answer::Checkpointed(key, life, result);
        self.begin_in_turn(Duration::ZERO, call, answer);
    }

    pub(crate) fn load_group(&self, key: Key, life: Life, group: GroupId, rest: Duration) {
        let groups = Arc::clone(&self.groups);
        let call = async move { load_group(&*groups, group).await };
        self.begin(rest, call, move |result| Answer::Group(key, life, result));
    }

    pub(crate) fn look(
        &self,
        key: Key,
        life: Life,
        stage: u64,
        users: Vec<UserId>,
        fronts: Vec<Process>,
    ) {
        let presence = self.presence.clone();
        let call = async move { presence.sight(&users, &fronts).await };
        let answer = move |result| Answer::Saw(key, life, stage, result);
        self.begin(Duration::ZERO, call, answer);
    }

    pub(crate) fn versions(&self, groups: Vec<GroupId>) {
        let directory = Arc::clone(&self.groups);
        let call = async move {
            let found = directory.groups(&groups).await?;
            let version = |group: Option<openim_storage::port::Group>| {
                group.map_or(u64::MAX, |group| group.version)
            };
            Ok(groups.into_iter().zip(found.into_iter().map(version)).collect())
        };
        self.begin(Duration::ZERO, call, Answer::Versions);
    }

    /// Asks a component whether it is well: something that changes nothing.
    pub(crate) fn ask(&self, component: Component) {
        let (kafka, history) = (self.kafka.clone(), self.history.clone());
        let (groups, presence) = (Arc::clone(&self.groups), self.presence.clone());
        let call = async move {
            match component {
                Component::Log => kafka.ends(ANY, 0).await.map(drop),
                Component::History => history.retained_ms().await.map(drop),
                Component::Directory => groups.groups(&[GroupId::new("")]).await.map(drop),
                Component::Presence => presence.sight(&[UserId::new("")], &[]).await.map(drop),
                Component::Relays | Component::Stores | Component::Archive => Ok(()),
            }
        };
        self.begin(Duration::ZERO, call, move |result| Answer::Asked(component, result));
    }

    /// Sets a record aside, however long that takes; `false`: too many wait for that.
    pub(crate) fn bury(&self, key: Key, at: Position, append_ms: i64, record: Box<[u8]>) -> bool {
        let Ok(grave) = Arc::clone(&self.graves).try_acquire_owned() else { return false };
        let letters = Arc::clone(&self.letters);
        let call = async move {
            let mut failures = 0;
            let why = format!("no record: {:?} {}", key.at.topic, key.at.partition.0);
            while let Err(error) = letters.set_aside(at, append_ms, &why, &record).await {
                if failures == 0 {
                    tracing::warn!(%error, %at, "a record cannot be set aside yet");
                }
                failures += 1;
                tokio::time::sleep(pause(failures)).await;
            }
            drop(grave);
            Ok(())
        };
        self.begin(Duration::ZERO, call, |_: Result<(), StoreError>| Answer::Buried);
        true
    }

    /// What hands an answer to the transfer's thread from any thread, without waiting there.
    pub(crate) fn answering(
        &self,
        answer: impl FnOnce(Option<Vec<u8>>) -> Answer + Send + 'static,
    ) -> Box<dyn FnOnce(Option<Vec<u8>>) + Send> {
        let (answers, runtime) = (self.answers.clone(), self.runtime.clone());
        let began = Instant::now();
        Box::new(move |reached| {
            let came = (began, answer(reached));
            if let Err(mpsc::error::TrySendError::Full(answer)) = answers.try_send(came) {
                drop(runtime.begin(async move { drop(answers.send(answer).await) }));
            }
        })
    }
}

/// A partition of the log as it is now, for who has read it up to some place and has met records up to some time.
pub(crate) async fn log_now(
    kafka: &Kafka,
    at: LogPartition,
    read: Option<(Position, i64)>,
) -> Result<LogNow, StoreError> {
    let (epoch, _) = place(read.map_or(Position(0), |(next, _)| next));
    let (start, end) = kafka.ends(at, epoch).await?;
    let younger = match read {
        Some((_, time_ms)) => kafka.first_after(at, epoch, time_ms).await?,
        None => None,
    };
    Ok(LogNow { start, end, younger })
}

/// Why a reader stands still in front of that log: it may be another topic than the cluster's that it was given.
pub(crate) fn in_another_log(kafka: &Kafka, at: LogPartition, misfit: &Misfit) -> String {
    format!("topic {} (kafka.ws2mschat.topic): {misfit}", kafka.name_of(at.topic))
}

/// Members and version of a group as one: no change came between. One that is unknown, or has ended, has no members.
async fn load_group(groups: &dyn Groups, group: GroupId) -> Result<LoadedGroup, StoreError> {
    let mut before = version(groups, &group).await?;
    for _ in 0..GROUP_TRIES {
        let Some(version_before) = before else {
            return Ok(LoadedGroup { group, version: 0, members: Vec::new() });
        };
        let members = members(groups, &group).await?;
        let after = version(groups, &group).await?;
        if after == before {
            return Ok(LoadedGroup { group, version: version_before, members });
        }
        before = after;
    }
    let what = format!("reading group {group}");
    Err(StoreError::Unavailable { what, cause: "it changes all the time".into() })
}

async fn version(groups: &dyn Groups, group: &GroupId) -> Result<Option<u64>, StoreError> {
    let found = groups.groups(std::slice::from_ref(group)).await?;
    Ok(found.into_iter().next().flatten().map(|group| group.version))
}

async fn members(groups: &dyn Groups, group: &GroupId) -> Result<Vec<(UserId, Role)>, StoreError> {
    let mut all: Vec<(UserId, Role)> = Vec::new();
    loop {
        let after = all.last().map(|(uid, _)| uid.clone());
        let page = groups.members(group, after.as_ref(), MEMBERS_PAGE).await?;
        let is_last = page.len() < MEMBERS_PAGE;
        all.extend(page.into_iter().map(|member| (member.uid, member.role)));
        if is_last {
            return Ok(all);
        }
    }
}
