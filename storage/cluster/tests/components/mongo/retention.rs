//! What has expired goes in an order in which no reader misses anything; bodies go last.

use std::sync::Arc;

use mongodb::bson::doc;
use openim_record::{
    Batch, Content, Document, LogPartition, Message, PageEntry, PartitionId, Position, Raise, Seq,
    Source, Topic, UserId,
};
use openim_storage::port::{History as _, wait};

use super::proxy::{Cut, Proxy};
use super::{Database, checkpoint};
use openim_cluster::mongo::{MongoHistory, Options};

const HERE: LogPartition = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };
const GROUPS: LogPartition = LogPartition { topic: Topic::Group, partition: PartitionId(0) };

fn message(text: &str) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    Message { send_id: "alice", recv_id: "group", content: text, ..Message::BLANK }
        .encode(&mut bytes);
    bytes.into()
}

/// A message to a group of all `users`, as the `n`th of each, sent at `sent_ms`.
fn to_group(users: &[UserId], n: u64, sent_ms: i64) -> Batch {
    let source = Source { of: GROUPS, position: Position(1_000 + n) };
    let document = |user: &UserId| Document {
        user: user.clone(),
        seq: Seq(n),
        position: Position(n),
        sent_ms,
        content: Content::Group(source),
    };
    let raise = |user: &UserId| Raise {
        user: user.clone(),
        first: Seq(n),
        newest: Seq(n),
        through: Position(n + 1),
    };
    Batch {
        bodies: vec![(source, message(&format!("message {n}")))],
        documents: users.iter().map(document).collect(),
        raises: users.iter().map(raise).collect(),
    }
}

fn shown(history: &MongoHistory, user: &UserId) -> Vec<(u64, i64, String)> {
    let range = wait(history.range(user, Seq(1), Seq(99), usize::MAX)).expect("read");
    assert_eq!(range.next, None);
    let text = |record: Box<[u8]>| {
        let message = Message::decode(&record).expect("a message");
        (message.send_time_ns, message.content.to_owned())
    };
    let entries = range.entries.into_iter();
    entries
        .map(|entry| (entry.seq.0, text(entry.record.expect("its body is there"))))
        .map(|(seq, (sent_ns, text))| (seq, sent_ns / 1_000_000, text))
        .collect()
}

fn count(database: &Database, collection: &'static str) -> u64 {
    database.with(move |database| async move {
        database.collection::<mongodb::bson::Document>(collection).count_documents(doc! {}).await
    })
}

fn retain_all(history: &MongoHistory, older_than_ms: i64) -> u64 {
    let mut removed = 0;
    loop {
        let report = wait(history.retain(older_than_ms, 2)).expect("retained");
        removed += report.entries_removed;
        if !report.more {
            return removed;
        }
    }
}

#[test]
fn a_body_is_there_once_and_as_long_as_an_entry_shows_it() {
    let Some(database) = Database::new() else { return };
    let hour_ms: i64 = 3_600_000;
    let (history, _) = database
        .open_as(Options {
            bodies_kept: std::time::Duration::from_secs(3_600),
            ..database.options()
        })
        .expect("the store opens");
    let users = ["u1", "u2", "u3"].map(UserId::new);
    let generation = wait(history.load_partition(HERE)).expect("loaded").generation;
    // The second one was late: it lies behind a younger one.
    for (n, sent_ms) in [(1, 10 * hour_ms), (2, 9 * hour_ms + 1), (3, 20 * hour_ms)] {
        let batch = to_group(&users, n, sent_ms);
        // Twice, as when somebody else has written it already.
        for _ in 0..2 {
            wait(history.store_batch(generation, HERE, batch.clone())).expect("stored");
        }
    }
    let all = [
        (1, 10 * hour_ms, "message 1".to_owned()),
        (2, 9 * hour_ms + 1, "message 2".to_owned()),
        (3, 20 * hour_ms, "message 3".to_owned()),
    ];
    assert_eq!((count(&database, "msg"), count(&database, "body")), (9, 3));
    for user in &users {
        assert_eq!(shown(&history, user), all);
    }
    // The late one's time is over, not that of the one before it.
    assert_eq!(retain_all(&history, 10 * hour_ms), 0);
    assert_eq!(shown(&history, &users[0]), all);
    assert_eq!(retain_all(&history, 10 * hour_ms + 1), 6);
    for user in &users {
        assert_eq!(shown(&history, user), all[2..]);
    }
    assert_eq!((count(&database, "msg"), count(&database, "body")), (3, 3));
    assert_eq!(retain_all(&history, 11 * hour_ms + 1), 0);
    assert_eq!((count(&database, "msg"), count(&database, "body")), (3, 1));
    assert_eq!(retain_all(&history, 99 * hour_ms), 3);
    assert_eq!((count(&database, "msg"), count(&database, "body")), (0, 0));
    // An inbox of which nothing is left goes on where it was.
    let batch = to_group(&users, 4, 100 * hour_ms);
    wait(history.store_batch(generation, HERE, batch)).expect("stored");
    assert_eq!(shown(&history, &users[1]), [(4, 100 * hour_ms, "message 4".to_owned())]);
    assert_eq!(retain_all(&history, 101 * hour_ms), 3);
    assert_eq!(wait(history.retained_ms()).expect("read"), Some(101 * hour_ms));
}

#[test]
fn what_was_cut_off_between_any_writes_is_done_by_the_next_call() {
    for writes in 0.. {
        let Some(database) = Database::new() else { return };
        let history = database.open();
        let generation = wait(history.load_partition(HERE)).expect("loaded").generation;
        let users = ["u1", "u2"].map(UserId::new);
        for n in 1..=4 {
            let batch = to_group(&users, n, 10 * n as i64);
            wait(history.store_batch(generation, HERE, batch)).expect("stored");
        }
        let proxy = Proxy::to(&database.url);
        let cut = database.open_through(&proxy);
        proxy.cut_behind(writes, Cut::Before);
        let done = wait(cut.retain(31, 100)).is_ok();
        for user in &users {
            let seqs: Vec<u64> = shown(&history, user).into_iter().map(|(seq, ..)| seq).collect();
            assert!(seqs == [1, 2, 3, 4] || seqs == [4], "{writes} writes: {seqs:?}");
        }
        retain_all(&history, 31);
        assert_eq!(shown(&history, &users[0]).len(), 1, "{writes} writes");
        assert_eq!(count(&database, "msg"), 2, "{writes} writes: what no inbox has any more");
        if done {
            assert!(writes >= 4, "{writes} writes only");
            return;
        }
    }
}

#[test]
fn an_entry_that_comes_while_all_others_expire_expires_in_its_time() {
    let Some(database) = Database::new() else { return };
    let history = database.open();
    let generation = wait(history.load_partition(HERE)).expect("loaded").generation;
    let users = [UserId::new("u")];
    for n in 1..=3 {
        let batch = to_group(&users, n, 10 * n as i64);
        wait(history.store_batch(generation, HERE, batch)).expect("stored");
    }
    let proxy = Proxy::to(&database.url);
    let retaining = database.open_through(&proxy);
    let (storing, batch) = (history.clone(), to_group(&users, 4, 40));
    // Behind what it has said, while it has looked at the inbox already.
    proxy.do_behind(1, move || {
        wait(storing.store_batch(generation, HERE, batch)).expect("stored");
    });
    assert!(wait(retaining.retain(35, 100)).expect("retained").more, "it has not seen all");
    assert_eq!(shown(&history, &users[0]), [(4, 40, "message 4".to_owned())]);
    assert_eq!(retain_all(&history, 41), 1);
    assert_eq!(count(&database, "msg"), 0);
}

#[test]
fn pages_go_when_no_window_reaches_them() {
    let Some(database) = Database::new() else { return };
    let (history, _) = database
        .open_as(Options { window: std::time::Duration::from_secs(100), ..database.options() })
        .expect("the store opens");
    let generation = wait(history.load_partition(HERE)).expect("loaded").generation;
    let pages = || wait(history.load_partition(HERE)).expect("loaded").pages;
    let mut was = None;
    for n in 0..10_u64 {
        let append_ms = n as i64 * 40_000;
        let entry = |of: u64| PageEntry {
            position: Position(10 * n + of),
            append_ms,
            key: openim_record::MessageKey(u128::from(10 * n + of)),
        };
        let next = 10 * n + 2;
        let stored = openim_record::Checkpoint {
            next: Position(next),
            time_ms: append_ms,
            high_waters: Vec::new(),
        };
        let page = vec![entry(0), entry(1)];
        wait(history.store_checkpoint(generation, HERE, was, stored, page)).expect("stored");
        assert!(pages().starts_with(&[entry(0), entry(1)]), "the newest page first");
        was = Some(Position(next));
    }
    // 100 seconds reach back over two pages and the last.
    assert_eq!(pages().len(), 2 * 3);
    let kept = count(&database, "page");
    assert!((3..=5).contains(&kept), "{kept} pages");
    assert!(checkpoint(&history, generation, None, 1).is_err(), "there is one");
    // No more than may be in memory, and these the newest.
    let options =
        Options { window: std::time::Duration::from_secs(100), keys_max: 3, ..database.options() };
    let (small, _) = database.open_as(options).expect("the store opens");
    let few = wait(small.load_partition(HERE)).expect("loaded").pages;
    assert_eq!(few, pages()[..4]);
}
