//! What contradicts what is stored is refused, and said; what says it again is not.

use std::sync::Arc;

use mongodb::bson::doc;
use openim_cluster::mongo::{MongoHistory, contradiction};
use openim_record::{
    Batch, Body, Content, Contradiction, Document, InboxRun, LogPartition, Message, PartitionId,
    Position, Raise, Seq, StoreBatch, Topic, UserId,
};
use openim_storage::port::{History as _, StoreError, wait};

use super::{Database, checkpoint};

const HERE: LogPartition = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };

/// Entries of one user, each at ten times its seq.
fn batch(user: &str, seqs: std::ops::RangeInclusive<u64>) -> Batch {
    let user = UserId::new(user);
    let mut message = Vec::new();
    Message { send_id: "a", recv_id: "b", ..Message::BLANK }.encode(&mut message);
    let message: Arc<[u8]> = message.into();
    let document = |seq: u64| Document {
        user: user.clone(),
        seq: Seq(seq),
        position: Position(10 * seq),
        sent_ms: 1,
        content: Content::Own(message.clone()),
    };
    let (first, newest) = (Seq(*seqs.start()), Seq(*seqs.end()));
    let through = Position(10 * newest.0 + 1);
    let raise = Raise { user: user.clone(), first, newest, through };
    Batch { documents: seqs.map(document).collect(), raises: vec![raise], ..Batch::default() }
}

fn store(history: &MongoHistory, batch: Batch) -> Result<(), StoreError> {
    let generation = history.generation();
    wait(history.store_batch(generation, HERE, batch))
}

fn refused(history: &MongoHistory, batch: Batch) -> Contradiction {
    let refused = store(history, batch).expect_err("refused");
    contradiction(&refused).unwrap_or_else(|| panic!("{refused}")).clone()
}

#[test]
fn a_hole_and_a_second_numbering_are_refused() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    let user = UserId::new("u");
    // Of a user that the store does not have any more, and of one that it never had.
    assert_eq!(refused(&history, batch("u", 4..=5)), Contradiction::Density(user.clone(), Seq(4)));
    store(&history, batch("u", 1..=3)).expect("stored");
    assert_eq!(refused(&history, batch("u", 5..=6)), Contradiction::Density(user.clone(), Seq(5)));
    // What is there, in other pieces, and one that lay above all along.
    store(&history, batch("u", 2..=5)).expect("stored");
    store(&history, batch("u", 1..=2)).expect("stored");
    let mut other = batch("u", 6..=8);
    other.documents[0].position = Position(61);
    let second = Contradiction::Document(user.clone(), Seq(6));
    assert_eq!(refused(&history, other), Contradiction::Document(user.clone(), Seq(6)));
    store(&history, batch("v", 1..=1)).expect("others go on");
    let mut late = batch("u", 3..=3);
    late.documents[0].position = Position(31);
    assert_ne!(refused(&history, late), second);
    let bounds = wait(history.bounds(&[user])).expect("read")[0];
    assert_eq!((bounds.newest, bounds.through), (Seq(5), Position(51)), "nothing is lowered");
}

/// Their writes share commands.
#[test]
fn of_many_who_write_at_once_each_is_told_of_its_own() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    let each = |round: u64| {
        let user = |n: usize| format!("user-{n}");
        std::thread::scope(|scope| {
            let store = |n: usize| {
                let (history, name) = (&history, user(n));
                scope.spawn(move || match (round, n % 10) {
                    (1, 3) => {
                        let missing = Contradiction::Density(UserId::new(&name), Seq(4));
                        assert_eq!(refused(history, batch(&name, 4..=5)), missing);
                    }
                    (1, 7) => {
                        let mut other = batch(&name, 1..=2);
                        other.documents[0].position = Position(11);
                        let second = Contradiction::Document(UserId::new(&name), Seq(1));
                        assert_eq!(refused(history, other), second);
                    }
                    // Some of it is there.
                    _ => store(history, batch(&name, 1..=1 + round)).expect("stored"),
                })
            };
            let threads: Vec<_> = (0..40).map(store).collect();
            threads.into_iter().for_each(|thread| thread.join().expect("as it is to be"));
        });
        let users: Vec<UserId> = (0..40).map(|n| UserId::new(&user(n))).collect();
        let bounds = wait(history.bounds(&users)).expect("read");
        bounds.iter().map(|bounds| bounds.newest.0).collect::<Vec<_>>()
    };
    assert_eq!(each(0), [1; 40]);
    let newest = |n: usize| if matches!(n % 10, 3 | 7) { 1 } else { 2 };
    assert_eq!(each(1), (0..40).map(newest).collect::<Vec<_>>());
}

#[test]
fn users_come_with_what_lies_above_the_checkpoint() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    store(&history, batch("u", 1..=250)).expect("stored");
    store(&history, batch("v", 1..=2)).expect("stored");
    let users = ["u", "nobody", "v"].map(UserId::new);
    let loaded = wait(history.load_users(Position(495), users.to_vec())).expect("loaded");
    assert_eq!(loaded.iter().map(|user| user.uid.clone()).collect::<Vec<_>>(), users);
    let above: Vec<_> = (50..=250).map(|seq| (Position(10 * seq), Seq(seq))).collect();
    assert_eq!(loaded[0].above, above);
    assert_eq!((loaded[1].bounds, loaded[1].above.len()), (Default::default(), 0));
    assert_eq!((loaded[2].bounds.newest, loaded[2].above.len()), (Seq(2), 0));
    let at = wait(history.load_users(Position(2_500), users.to_vec())).expect("loaded");
    assert_eq!(at[0].above, [(Position(2_500), Seq(250))]);
    let behind = wait(history.load_users(Position(2_501), users.to_vec())).expect("loaded");
    assert_eq!(behind[0].above, []);
}

#[test]
fn a_checkpoint_is_compared_and_set() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    let load = || wait(history.load_partition(HERE)).expect("loaded");
    let begun = load();
    assert_eq!(begun.checkpoint, None);
    let store = |was, next| checkpoint(&history, begun.generation, was, next);
    let refused = |was, next| {
        let refused = store(was, next).expect_err("refused");
        let why = contradiction(&refused).cloned();
        let Some(Contradiction::Checkpoint(found)) = why else { panic!("{refused}") };
        found.map(|found| found.0)
    };
    assert_eq!(refused(Some(5), 6), None);
    store(None, 5).expect("stored");
    assert_eq!(refused(None, 6), Some(5));
    store(Some(5), 9).expect("stored");
    assert_eq!(refused(Some(5), 10), Some(9));
    let stored = load().checkpoint.expect("there is one");
    assert_eq!((stored.next, stored.time_ms), (Position(9), 7));
    assert_eq!(stored.high_waters, [(HERE, Position(3))]);
}

#[test]
fn an_entry_that_is_missing_is_no_gap() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    let user = UserId::new("u");
    let bytes: Arc<[u8]> = b"a record"[..].into();
    let run = InboxRun {
        user: user.clone(),
        first: Seq(1),
        positions: (10..20).map(Position).collect(),
        records: (0..10).map(|ms| Body { append_ms: ms, bytes: bytes.clone() }).collect(),
    };
    wait(history.store(&StoreBatch { runs: vec![run], ..StoreBatch::default() })).expect("stored");
    let all = wait(history.range(&user, Seq(1), Seq(99), usize::MAX)).expect("read");
    assert_eq!((all.entries.len(), all.next), (10, None));
    database.with(|database| async move {
        let entries = database.collection::<mongodb::bson::Document>("msg");
        entries.delete_one(doc! { "_id": { "u": "u", "s": 5_i64 } }).await
    });
    let damaged = wait(history.range(&user, Seq(1), Seq(99), usize::MAX)).expect_err("a gap");
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
    assert!(damaged.to_string().contains("msg/u/5"), "{damaged}");
}
