//! The inbox machine: seqs, duplicates, batches and what is replayed.

use openim_record::Switches;

use super::*;

const PLACEMENT: Placement = Placement::new(4);

fn inboxes(duplicates_max: usize, users_max: usize) -> Inboxes {
    Inboxes::new(PLACEMENT, |_| true, 1_000, duplicates_max, users_max)
}

fn message<'a>(from: &'a str, to: &'a str, id: &'a str, send_time_ns: i64) -> Message<'a> {
    Message {
        key: MessageKey::new(from, 1, to, id),
        send_time_ns,
        switches: Switches::ON,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        send_id: from,
        recv_id: to,
        client_msg_id: id,
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: "",
    }
}

/// Two users of one partition, and one of another.
fn users() -> [String; 3] {
    let mut names = (0..).map(|n| format!("u{n}"));
    let first = names.next().unwrap();
    let home = PLACEMENT.partition(&first);
    let mate = names.find(|name| PLACEMENT.partition(name) == home).unwrap();
    let other = (0..).map(|n| format!("v{n}")).find(|name| PLACEMENT.partition(name) != home);
    [first, mate, other.unwrap()]
}

fn bounds(min: u64, newest: u64, through: u64) -> InboxBounds {
    InboxBounds { min: Seq(min), newest: Seq(newest), through: Position(through) }
}

fn load(inboxes: &mut Inboxes, uid: &str) {
    inboxes.load(&UserId::new(uid), InboxBounds::default(), |_| ());
}

fn place(uid: &str, position: u64) -> Place {
    Place { partition: PLACEMENT.partition(uid), position: Position(position) }
}

/// Applies a record for its receiver.
fn receive(
    inboxes: &mut Inboxes,
    position: u64,
    message: &Message<'_>,
) -> Result<Outcome, Unknown> {
    inboxes.apply(place(message.recv_id, position), 0, message, Addressee::Receiver)
}

fn apply(inboxes: &mut Inboxes, position: u64, message: &Message<'_>) -> [Outcome; 2] {
    [Addressee::Receiver, Addressee::Sender].map(|addressee| {
        let place = place(addressee.owner(message), position);
        inboxes.apply(place, 0, message, addressee).unwrap()
    })
}

fn state(batch: &StoreBatch, uid: &str) -> StoredState {
    let partition = PLACEMENT.partition(uid);
    let duplicates = batch.duplicates.iter().find(|(id, _)| *id == partition);
    StoredState {
        partition,
        applied: batch.applied.iter().find(|(id, _)| *id == partition).unwrap().1,
        duplicates: duplicates.map(|(_, entries)| entries.clone()).unwrap_or_default(),
    }
}

#[test]
fn both_inboxes_count_from_one_and_a_repeat_takes_no_seq() {
    for other in [1, 2] {
        let users = users();
        let (from, to) = (users[0].as_str(), users[other].as_str());
        let mut inboxes = inboxes(100, 10);
        load(&mut inboxes, from);
        load(&mut inboxes, to);
        assert_eq!(apply(&mut inboxes, 0, &message(from, to, "a", 5)), [Outcome::New(Seq(1)); 2]);
        assert_eq!(apply(&mut inboxes, 9, &message(from, to, "a", 6)), [Outcome::Duplicate(5); 2]);
        assert_eq!(apply(&mut inboxes, 18, &message(from, to, "b", 7)), [Outcome::New(Seq(2)); 2]);
        inboxes.check_invariants();
    }
}

#[test]
fn what_is_not_in_memory_must_be_loaded_first() {
    let mut inboxes = inboxes(100, 10);
    let sent = message("ann", "bob", "a", 5);
    assert!(!inboxes.ready(&sent, Addressee::Receiver));
    assert_eq!(receive(&mut inboxes, 0, &sent), Err(Unknown));
    assert_eq!(
        inboxes.duplicate(PLACEMENT.partition("bob"), sent.key),
        None,
        "an attempt leaves no trace"
    );
    inboxes.load(&UserId::new("bob"), bounds(3, 7, 0), |_| ());
    assert_eq!(receive(&mut inboxes, 0, &sent), Ok(Outcome::New(Seq(8))));
    assert_eq!(inboxes.unstored("bob", Seq(0), Seq(u64::MAX)), [(Seq(8), Position(0))]);
    assert!(inboxes.unstored("bob", Seq(9), Seq(8)).is_empty());
}

#[test]
fn without_history_no_seq_is_taken_and_nobody_loaded() {
    let mut inboxes = inboxes(100, 10);
    let mut sent = message("ann", "bob", "a", 5);
    sent.switches.history = false;
    assert_eq!(apply(&mut inboxes, 0, &sent), [Outcome::New(Seq(0)); 2]);
    assert_eq!(apply(&mut inboxes, 9, &sent)[0], Outcome::Duplicate(5));
    assert_eq!((inboxes.users_len().0, inboxes.unstored_len()), (0, 0));
}

#[test]
fn a_batch_between_the_turns_of_one_record_is_completed_by_the_replay() {
    let [from, to, _] = users();
    let mut before = inboxes(100, 10);
    load(&mut before, &to);
    let sent = message(&from, &to, "a", 5);
    let outcome = receive(&mut before, 7, &sent);
    assert_eq!(outcome, Ok(Outcome::New(Seq(1))));
    // The sender is still being loaded: the record counts as not applied.
    let batch = before.take_batch(|_| Position(7)).unwrap();

    let mut after = inboxes(100, 10);
    after.recover(&state(&batch, &to));
    after.load(&UserId::new(&to), bounds(1, 1, 8), |_| ());
    load(&mut after, &from);
    assert_eq!(apply(&mut after, 7, &sent), [Outcome::Duplicate(5), Outcome::New(Seq(1))]);
    assert_eq!(apply(&mut after, 9, &message(&from, &to, "a", 6)), [Outcome::Duplicate(5); 2]);
}

#[test]
fn what_the_store_had_applied_is_not_applied_again() {
    let mut before = inboxes(100, 10);
    load(&mut before, "ann");
    load(&mut before, "bob");
    let sent = message("ann", "bob", "a", 5);
    apply(&mut before, 7, &sent);
    let batch = before.take_batch(|_| Position(8)).unwrap();
    let mut after = inboxes(100, 10);
    for uid in ["ann", "bob"] {
        after.recover(&state(&batch, uid));
    }
    assert_eq!(apply(&mut after, 7, &sent), [Outcome::Replayed; 2]);
    // A batch in the middle of the replay does not take the mark back.
    let batch = after.take_batch(|_| Position(3)).unwrap();
    assert_eq!(state(&batch, "ann").applied, Position(8));
}

#[test]
fn batches_are_one_at_a_time_and_continue_each_other() {
    let mut inboxes = inboxes(100, 10);
    load(&mut inboxes, "ann");
    load(&mut inboxes, "bob");
    apply(&mut inboxes, 0, &message("ann", "bob", "a", 1));
    let first = inboxes.take_batch(|_| Position(1)).unwrap();
    assert_eq!((first.runs.len(), inboxes.unstored_len()), (2, 0));
    apply(&mut inboxes, 5, &message("ann", "bob", "b", 2));
    assert!(inboxes.take_batch(|_| Position(6)).is_none());
    // Both are to be read from here until the store has confirmed the first.
    assert_eq!(inboxes.unstored("bob", Seq(1), Seq(2)).len(), 2);
    inboxes.stored();
    assert_eq!(inboxes.unstored("bob", Seq(1), Seq(2)), [(Seq(2), Position(5))]);
    let second = inboxes.take_batch(|_| Position(6)).unwrap();
    assert!(second.runs.iter().all(|run| run.first == Seq(2) && run.positions == [Position(5)]));
    inboxes.check_invariants();
}

#[test]
fn what_is_not_stored_stays_in_memory() {
    let mut inboxes = inboxes(100, 2);
    load(&mut inboxes, "ann");
    load(&mut inboxes, "bob");
    apply(&mut inboxes, 0, &message("ann", "bob", "a", 1));
    for n in 0..50 {
        load(&mut inboxes, &format!("u{n}"));
    }
    assert!(inboxes.knows("ann") && inboxes.knows("bob"));
    assert!(inboxes.users_len().0 <= 3, "{:?}", inboxes.users_len());
}

#[test]
fn who_leaves_memory_is_named() {
    let mut inboxes = inboxes(100, 1);
    load(&mut inboxes, "bob");
    let mut left = Vec::new();
    let eve = UserId::new("eve");
    inboxes.load(&eve, InboxBounds::default(), |uid| left.push(uid.to_string()));
    assert_eq!((left, inboxes.knows("bob")), (vec!["bob".to_owned()], false));
}

#[test]
fn retention_raises_the_oldest_seq_and_the_next_message_keeps_it() {
    let mut inboxes = inboxes(100, 10);
    inboxes.load(&UserId::new("bob"), bounds(1, 4, 0), |_| ());
    inboxes.raise_min("bob", Seq(5));
    inboxes.raise_min("bob", Seq(2));
    assert_eq!(inboxes.bounds("bob"), Some(bounds(5, 4, 0)));
    let sent = message("ann", "bob", "a", 5);
    assert_eq!(receive(&mut inboxes, 0, &sent), Ok(Outcome::New(Seq(5))));
    assert_eq!(inboxes.bounds("bob"), Some(bounds(5, 5, 1)));
    assert_eq!(inboxes.bounds("eve"), None);
}

#[test]
fn news_of_retention_never_take_the_oldest_kept_beyond_the_next_one() {
    let mut inboxes = inboxes(100, 10);
    load(&mut inboxes, "ann");
    inboxes.raise_min("ann", Seq(7));
    assert_eq!(inboxes.bounds("ann"), Some(bounds(1, 0, 0)));
}

#[test]
fn what_a_loaded_inbox_has_already_is_not_numbered_again() {
    let mut inboxes = inboxes(100, 10);
    let stored = bounds(1, 3, 10);
    inboxes.load(&UserId::new("ann"), stored, |_| {});
    assert_eq!(inboxes.number("ann", Position(9), 0), Ok(None));
    assert_eq!(inboxes.number("ann", Position(10), 0), Ok(Some(Seq(4))));
    assert_eq!(inboxes.bounds("ann"), Some(bounds(1, 4, 11)));
}
