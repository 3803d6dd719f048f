//! A change and what tells of it are one: wherever the log ends, both are there, or neither is.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use openim_record::{
    Addresses, GroupId, MemberList, Members, MembersWriter, Message, MessageKey, PartitionId,
    Placement, Position, Record, Submission, Told, UserId,
};
use openim_storage::conformance::{self, Wait as _};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{
    GroupChange, GroupChanged, GroupLimits, Groups as _, Member, RelationChange, RelationOutcome,
    Relations as _, Role,
};

const LIMITS: GroupLimits = GroupLimits { members_max: 9, joined_max: 9, requests_max: 9 };
/// What stands before the first record of a batch.
const BATCH_HEAD: u64 = 40;

fn options() -> Options {
    Options { segment_bytes: 64 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn uid(uid: &str) -> UserId {
    UserId::new(uid)
}

fn message(send_id: &str, recv_id: &str, session_type: i32) -> Submission {
    let key = MessageKey::new(send_id, session_type, recv_id, "tip");
    let message = Message { key, session_type, send_id, recv_id, ..Message::BLANK };
    let mut record = Vec::new();
    message.encode(&mut record);
    let to = Addresses::of(&message, Placement::new(4));
    Submission { key, to, record: record.into(), lists: Box::default() }
}

fn to_group(send_id: &str, group: &str, member: &str) -> Submission {
    let mut list = MembersWriter::new();
    list.push(PartitionId(0), member, false);
    let weight = list.weight();
    let mut list = list.finish();
    let mut message = message(send_id, group, 2);
    Members::set_key(&mut list, message.key);
    message.lists = [MemberList { partition: PartitionId(0), members: 1, weight, list }].into();
    message
}

fn create(id: &str) -> GroupChange {
    let owner = Member {
        uid: uid("a"),
        role: Role::Owner,
        nickname: String::new(),
        face_url: String::new(),
        join_ms: 1,
    };
    GroupChange::Create { group: conformance::group(id), members: vec![owner] }
}

/// Makes two groups, of which one is there already, and a friendship; each tells of itself when it was made.
fn change(storage: &Embedded) {
    let groups = [create("g"), create("before")];
    let mut tell = |number: usize, changed: &GroupChanged| {
        let id = ["g", "before"][number];
        let messages = vec![to_group("a", id, "a"), message("a", id, 1)];
        (!changed.members.is_empty()).then_some(Told { messages, change: None })
    };
    storage.groups.apply_and_tell(&groups, LIMITS, &mut tell).wait().expect("applied");
    let befriend = RelationChange::Befriend { owner: uid("a"), friend: uid("b"), now_ms: 1 };
    let mut tell = |_: usize, outcome: &RelationOutcome| {
        assert_eq!(*outcome, RelationOutcome::Befriended { new: true });
        Some(Told { messages: vec![message("b", "a", 1)], change: None })
    };
    storage.relations.apply_and_tell(&[befriend], 9, &mut tell).wait().expect("applied");
}

/// One in memory, where there is any: hundreds of starts flush nothing that has to stay.
fn fast_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("log").join(format!("{:020}.log", 0))
}

/// What the log tells, as (sender, receiver); a list counts for the message before it.
fn told(storage: &mut Embedded) -> Vec<(String, String)> {
    let (mut found, mut lists) = (Vec::new(), 0);
    let each = &mut |shown: openim_storage::port::Replayed<'_>| {
        match Record::decode(shown.record).expect("a record") {
            Record::Message(message) => {
                found.push((message.send_id.to_owned(), message.recv_id.to_owned()));
            }
            Record::Members(_) => lists += 1,
            Record::Rows(rows) => assert!(rows.told_by() <= 3),
        }
        ControlFlow::Continue(())
    };
    conformance::replay(&mut storage.tail, Position(0), each).expect("replayed");
    let to_groups = found.iter().filter(|(_, to)| to == "g").count();
    assert_eq!(lists * 2, to_groups, "{found:?}");
    found
}

/// Whether the group and the friendship are there, each with what tells of it.
fn check(dir: &Path, case: &str) -> [bool; 2] {
    let mut storage = open(dir, &options()).expect("opens");
    let ids = ["before", "g"].map(GroupId::new);
    let found = storage.groups.groups(&ids).wait().expect("read");
    assert!(found[0].is_some(), "{case}");
    let held = storage.relations.relations(&uid("a"), &[uid("b")]).wait().expect("read");
    let there = [found[1].is_some(), held[0].friend.is_some()];
    let mut expected = Vec::new();
    if there[0] {
        expected.extend([("a", "g"), ("a", "g")]);
    }
    if there[1] {
        expected.push(("b", "a"));
    }
    let found = told(&mut storage);
    let found: Vec<_> = found.iter().map(|(from, to)| (&**from, &**to)).collect();
    assert_eq!(found, expected, "{case}");
    there
}

#[test]
fn a_change_is_there_exactly_when_what_tells_of_it_is_wherever_the_log_was_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = open(dir.path(), &options()).expect("opens");
    storage.groups.apply(&[create("before")], LIMITS).wait().expect("applied");
    let before = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), before.path());
    let begin = storage.log.head().0 - BATCH_HEAD;
    change(&storage);
    let end = storage.log.head().0 - BATCH_HEAD;
    let whole = fs::read(segment(dir.path())).expect("read");
    let (mut seen, mut last) = (Vec::new(), begin);
    for cut in begin..=end {
        // The index has none of it yet, as it comes behind the log.
        let killed = fast_directory();
        conformance::copy(before.path(), killed.path());
        fs::write(segment(killed.path()), &whole[..cut as usize]).expect("written");
        let there = check(killed.path(), &format!("the log cut at {cut} of {end}"));
        if seen.last() != Some(&there) {
            // Where the batch of the friendship begins, or all is there.
            last = if seen.len() < 2 { cut } else { last };
            seen.push(there);
        }
    }
    assert_eq!(seen, [[false, false], [true, false], [true, true]]);
    // A byte that did not come is no other than one that is missing.
    for at in (last..end).step_by(23) {
        let killed = fast_directory();
        conformance::copy(before.path(), killed.path());
        let mut torn = whole[..end as usize].to_vec();
        torn[at as usize] ^= 0x40;
        fs::write(segment(killed.path()), torn).expect("written");
        let there = check(killed.path(), &format!("byte {at} of {end} damaged"));
        assert_eq!(there, [true, false]);
    }
}
