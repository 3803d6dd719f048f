//! The history on MongoDB against the suites that every engine runs, and under the real owner of a partition; each also
//! with its connection cut between any two writes.

mod contradictions;
mod owner;
mod pretended;
mod proxy;
mod retention;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use openim_cluster::Runtime;
use openim_cluster::mongo::{Generation, MongoHistory, OpenError, Options, Warning};
use openim_record::{LogPartition, PartitionId, Placement, Position, Seq, Topic, UserId};
use openim_storage::conformance::{self, Backend, Site};
use openim_storage::port::{History as _, StoreError, wait};

use self::proxy::{Cut, Proxy};
use crate::support;

/// A database of its own, which goes with it.
struct Database {
    url: String,
    runtime: Runtime,
    name: String,
}

impl Database {
    /// `None` where there is no MongoDB.
    fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let url = support::component("OPENIM_TEST_MONGODB")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("openim_test_{}_{number}", std::process::id());
        Some(Self { url, runtime: Runtime::start(2).expect("threads"), name })
    }

    fn options(&self) -> Options {
        Options {
            url: self.url.clone(),
            database: self.name.clone(),
            partitions: 1,
            ..Options::default()
        }
    }

    fn open_as(&self, options: Options) -> Result<(MongoHistory, Vec<Warning>), OpenError> {
        wait(MongoHistory::open(&self.runtime, options))
    }

    fn open(&self) -> MongoHistory {
        let (history, warnings) = self.open_as(self.options()).expect("the store opens");
        assert_eq!(warnings, [], "a replica set");
        history
    }

    /// Opened through a proxy, with an entry a write, so that there are many to be cut between.
    fn open_through(&self, proxy: &Proxy) -> MongoHistory {
        let options = Options { url: proxy.url(), entries_max: 1, ..self.options() };
        self.open_as(options).expect("the store opens").0
    }

    /// Runs something with a client of its own.
    fn with<T: Send + 'static, F: Future<Output = mongodb::error::Result<T>> + Send + 'static>(
        &self,
        call: impl FnOnce(mongodb::Database) -> F + Send + 'static,
    ) -> T {
        let (url, name) = (self.url.clone(), self.name.clone());
        let begun = self.runtime.begin(async move {
            let client = mongodb::Client::with_uri_str(url).await?;
            call(client.database(&name)).await
        });
        wait(begun.answer()).expect("it runs").expect("the store answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.with(|database| async move { database.drop().await });
    }
}

/// The embedded engine for all but the history.
struct Place {
    database: Database,
    rest: tempfile::TempDir,
    proxy: Option<Proxy>,
}

impl Place {
    fn with(&self, history: MongoHistory) -> Backend {
        Backend { history: Arc::new(history), ..support::rest(self.rest.path()) }
    }
}

impl Site for Place {
    fn open(&mut self) -> Backend {
        self.proxy = None;
        self.with(self.database.open())
    }

    fn is_atomic(&self) -> bool {
        false
    }

    fn open_cut(&mut self, writes: usize) -> Option<Backend> {
        let proxy = Proxy::to(&self.database.url);
        let history = self.database.open_through(&proxy);
        proxy.cut_behind(writes, Cut::Before);
        self.proxy = Some(proxy);
        Some(self.with(history))
    }
}

fn places() -> Option<impl FnMut() -> Box<dyn Site>> {
    support::component("OPENIM_TEST_MONGODB")?;
    Some(|| -> Box<dyn Site> {
        let database = Database::new().expect("it was there");
        let rest = tempfile::tempdir().expect("a directory for the test");
        Box::new(Place { database, rest, proxy: None })
    })
}

#[test]
fn history() {
    let Some(mut places) = places() else { return };
    conformance::history(&mut places);
}

#[test]
fn random_operations_agree_with_a_model() {
    let Some(mut places) = places() else { return };
    for seed in 0..4 {
        conformance::model(&mut places, seed, 150);
    }
}

#[test]
fn a_database_belongs_to_one_cluster_and_its_partitions() {
    let Some(database) = Database::new() else { return };
    drop(database.open());
    drop(database.open());
    let other = Options { cluster: "another".to_owned(), ..database.options() };
    let refused = database.open_as(other).err().expect("refused");
    assert!(matches!(refused, OpenError::OtherCluster { .. }), "{refused}");
    let more = Options { partitions: 2, ..database.options() };
    let refused = database.open_as(more).err().expect("refused");
    assert!(matches!(refused, OpenError::OtherPartitions { .. }), "{refused}");
    assert!(refused.to_string().contains("1 partitions"), "{refused}");
}

#[test]
fn who_is_away_is_asked_again_later() {
    let Some(database) = Database::new() else { return };
    let nobody = Proxy::to(&database.url);
    nobody.cut_behind(0, Cut::Everything);
    let away = Options { url: nobody.url(), ..database.options() };
    let refused = database.open_as(away).err().expect("refused");
    assert!(matches!(refused, OpenError::Store(StoreError::Unavailable { .. })), "{refused}");
    let slip = Options { url: "mongo://x".to_owned(), ..database.options() };
    let refused = database.open_as(slip).err().expect("refused");
    assert!(matches!(refused, OpenError::Address(_)), "{refused}");
}

fn chat(partition: u16) -> LogPartition {
    LogPartition { topic: Topic::Chat, partition: PartitionId(partition) }
}

/// A checkpoint for one partition.
fn checkpoint(
    history: &MongoHistory,
    generation: Generation,
    was: Option<u64>,
    next: u64,
) -> Result<(), StoreError> {
    let at = chat(0);
    let checkpoint = openim_record::Checkpoint {
        next: Position(next),
        time_ms: 7,
        high_waters: vec![(at, Position(3))],
    };
    wait(history.store_checkpoint(generation, at, was.map(Position), checkpoint, Vec::new()))
}

#[test]
fn inboxes_are_read_where_the_store_has_all_that_it_had() {
    let Some(database) = Database::new() else { return };
    let options = Options { partitions: 2, ..database.options() };
    let history = database.open_as(options).expect("the store opens").0;
    let begun = wait(history.load_partition(chat(0))).expect("loaded");
    checkpoint(&history, begun.generation, None, 5).expect("stored");
    // The one whose partition that is, and another.
    let user = |partition| {
        let mut users = (0..).map(|n| UserId::new(&format!("u{n}")));
        let at =
            |user: &UserId| Placement::new(2).partition(user.as_str()) == PartitionId(partition);
        users.find(at).expect("somebody")
    };
    let reads = |partition| wait(history.bounds(&[user(partition)])).is_ok();
    assert!(reads(0) && reads(1), "nobody tells what it has");
    history.hold_reads();
    assert!(!reads(0) && !reads(1));
    let refused = wait(history.range(&user(0), Seq(1), Seq(2), 100)).expect_err("refused");
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    assert!(!refused.to_string().contains("another process"), "there was none before: {refused}");
    let lacking = wait(history.lacking()).expect("it answers");
    assert_eq!(lacking.partitions, [PartitionId(0), PartitionId(1)]);
    assert_eq!(wait(history.stored(&lacking)).expect("it answers"), [Some(Position(5)), None]);
    history.is_whole(&lacking, PartitionId(0));
    assert!(reads(0) && !reads(1));
    assert_eq!(wait(history.lacking()).expect("it answers").partitions, [PartitionId(1)]);
}

#[test]
fn what_was_loaded_from_one_process_is_not_written_to_another() {
    let Some(database) = Database::new() else { return };
    let proxy = Proxy::to(&database.url);
    let history = database.open_through(&proxy);
    let at = chat(0);
    let begun = wait(history.load_partition(at)).expect("loaded");
    checkpoint(&history, begun.generation, None, 5).expect("stored");
    assert_eq!(history.generation(), begun.generation);
    // All connections break, as when a server is killed; one that may be another answers soon.
    proxy.break_connections();
    let refused = checkpoint(&history, begun.generation, Some(5), 6).expect_err("refused");
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    let again = loop {
        if let Ok(again) = wait(history.load_partition(at)) {
            break again;
        }
    };
    assert_ne!(again.generation, begun.generation);
    // What was refused may be there: the driver may have opened a connection for it before it heard that others broke.
    let Position(next) = again.checkpoint.expect("there is one").next;
    assert!((5..=6).contains(&next), "{next}");
    let refused = checkpoint(&history, begun.generation, Some(next), 7).expect_err("refused");
    // It is the same one, and only its connections broke.
    assert!(refused.to_string().contains("given up"), "{refused}");
    checkpoint(&history, again.generation, Some(next), 7).expect("stored");
}

#[test]
fn a_claim_is_made_once_and_replaced_by_who_knows_it() {
    let Some(database) = Database::new() else { return };
    let look = || wait(MongoHistory::look(&database.runtime, database.options()));
    assert_eq!(look().expect("it answers").claim, None);
    let history = database.open();
    assert_eq!(look().expect("it answers").claim, None, "it is begun, and nobody has claimed it");
    let claim = |n: u32| history.put_claim(format!("claim {n}"));
    let made = [claim(1), claim(2), claim(3)].map(|call| wait(call).expect("it answers"));
    assert_eq!(made, [(); 3].map(|()| "claim 1".to_owned()));
    let replace = |this: &str, by: &str| {
        wait(history.replace_claim(this.to_owned(), by.to_owned())).expect("it answers")
    };
    assert_eq!(replace("another", "no"), "claim 1");
    assert_eq!(replace("claim 1", "next"), "next");
    assert_eq!(wait(history.claim()).expect("it answers").as_deref(), Some("next"));
    assert_eq!(look().expect("it answers").claim.as_deref(), Some("next"));
}
