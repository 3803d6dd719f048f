//! What a crash leaves of the directory: all that was answered, and of a change all or nothing.
//!
//! The data directory is copied while the engine has it open, as `kill -9` would leave it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use openim_record::{GroupId, UserId};
use openim_storage::conformance::{self, Wait as _};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{
    GroupChange, GroupLimits, GroupOutcome, GroupRefused, Groups as _, Member, PreferenceChange,
    Preferences as _, RelationChange, RelationOutcome, Relations as _, Role,
};

const LIMITS: GroupLimits = GroupLimits { members_max: 1_000, joined_max: 10, requests_max: 10 };

fn options() -> Options {
    Options { segment_bytes: 64 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn user(n: usize) -> UserId {
    UserId::new(&format!("user{n:03}"))
}

fn create(id: &str, members: usize) -> GroupChange {
    let text = String::new;
    let member = |n| Member {
        uid: user(n),
        role: if n == 0 { Role::Owner } else { Role::Ordinary },
        nickname: format!("name {n}"),
        face_url: text(),
        join_ms: 1,
    };
    let group = conformance::group(id);
    GroupChange::Create { group, members: (0..members).map(member).collect() }
}

/// Where commits of the index go first.
fn journal(dir: &Path) -> PathBuf {
    let listed = fs::read_dir(dir.join("index")).expect("the index is listed");
    let files = listed.map(|entry| entry.expect("listed").path());
    let mut journals = files.filter(|path| path.extension().is_some_and(|ext| ext == "jnl"));
    journals.next().expect("a journal")
}

/// How far a journal is written; the engine gives it its space ahead of time, as zeros.
fn written(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

#[test]
fn what_was_answered_survives_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), &options()).expect("opens");
    let Embedded { relations, groups, preferences, .. } = &opened;
    for n in 1..5 {
        let befriend = RelationChange::Befriend { owner: user(0), friend: user(n), now_ms: 1 };
        relations.apply(&[befriend], 10).wait().expect("applied");
        groups.apply(&[create(&format!("g{n}"), n)], LIMITS).wait().expect("applied");
        let conversation = format!("c{n}");
        let change = PreferenceChange { user: user(0), conversation, option: 1 };
        preferences.set(&[change], 10).wait().expect("set");
        let killed = tempfile::tempdir().expect("a directory");
        conformance::copy(dir.path(), killed.path());
        let Embedded { relations, groups, preferences, .. } =
            open(killed.path(), &options()).expect("opens");
        assert_eq!(relations.friends(&user(0), None, 10).wait().expect("read").len(), n);
        assert_eq!(groups.joined(&user(0), None, 10).wait().expect("read").len(), n);
        assert_eq!(preferences.all(&user(0), None, 10).wait().expect("read").len(), n);
    }
}

/// The log's one segment.
fn segment(dir: &Path) -> PathBuf {
    dir.join("log").join(format!("{:020}.log", 0))
}

fn befriend() -> RelationChange {
    RelationChange::Befriend { owner: user(0), friend: user(1), now_ms: 1 }
}

/// What is there of a group of so many, and of a friendship made behind it: both wholly or not at all.
fn check(dir: &Path, members: usize, friends: bool, case: &str) {
    let Embedded { relations, groups, .. } = open(dir, &options()).expect("opens");
    let id = |id| GroupId::new(id);
    let found = groups.groups(&["before", "g"].map(id)).wait().expect("read");
    assert_eq!(found[0].as_ref().expect("it was answered").members, 3, "{case}");
    assert_eq!(found[1].as_ref().map_or(0, |group| group.members as usize), members, "{case}");
    assert_eq!(groups.members(&id("g"), None, 1_000).wait().expect("read").len(), members);
    let joined = groups.joined(&user(2), None, 10).wait().expect("read").len();
    assert_eq!(joined, if members == 0 { 1 } else { 2 }, "{case}");
    let held = [(0, 1), (1, 0)].map(|(owner, friend)| {
        let held = relations.relations(&user(owner), &[user(friend)]).wait().expect("read");
        held[0].friend.is_some()
    });
    assert_eq!(held, [friends; 2], "{case}");
    // The counts fit what is there: the same change works, or is told from one that did.
    let outcomes = groups.apply(&[create("g", MEMBERS)], LIMITS).wait().expect("applied");
    let exists = GroupOutcome::Refused(GroupRefused::Exists);
    let expected = if members == 0 { GroupOutcome::Done } else { exists };
    assert_eq!(outcomes[0].outcome, expected, "{case}");
    let outcomes = relations.apply(&[befriend()], 1).wait().expect("applied");
    assert_eq!(outcomes, [RelationOutcome::Befriended { new: !friends }], "{case}");
}

const MEMBERS: usize = 200;

#[test]
fn a_change_whose_record_was_cut_short_is_not_there_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), &options()).expect("opens");
    let Embedded { relations, groups, .. } = &opened;
    groups.apply(&[create("before", 3)], LIMITS).wait().expect("applied");
    let before = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), before.path());
    let log = segment(dir.path());
    // What stands before the first record of a batch, which does not go there yet.
    let end_of_log = || opened.log.head().0 - 40;
    let begin = end_of_log();
    groups.apply(&[create("g", MEMBERS)], LIMITS).wait().expect("applied");
    let made = end_of_log();
    relations.apply(&[befriend()], 10).wait().expect("applied");
    let end = end_of_log();
    assert!(begin < made && made < end, "the log is written at once");
    let cuts = (begin..made).step_by(2_003).chain((made..end).step_by(29)).chain([end]);
    for cut in cuts {
        // The index has none of it yet, as it comes behind the log.
        let killed = tempfile::tempdir().expect("a directory");
        conformance::copy(before.path(), killed.path());
        fs::copy(&log, segment(killed.path())).expect("copied");
        let file = OpenOptions::new().write(true).open(segment(killed.path())).expect("opened");
        file.set_len(cut).expect("cut");
        let members = if cut < made { 0 } else { MEMBERS };
        check(killed.path(), members, cut == end, &format!("the log cut at {cut} of {end}"));
    }
}

#[test]
fn all_is_there_wherever_the_journal_of_the_index_was_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = open(dir.path(), &options()).expect("opens");
    let Embedded { relations, groups, .. } = &opened;
    let begin = written(&journal(dir.path()));
    groups.apply(&[create("before", 3)], LIMITS).wait().expect("applied");
    groups.apply(&[create("g", MEMBERS)], LIMITS).wait().expect("applied");
    relations.apply(&[befriend()], 10).wait().expect("applied");
    let end = written(&journal(dir.path()));
    assert!(begin < end, "the journal is written at once");
    for cut in (begin..end).step_by(1_009).chain((end - 150..=end).step_by(7)) {
        let killed = tempfile::tempdir().expect("a directory");
        conformance::copy(dir.path(), killed.path());
        let file = OpenOptions::new().write(true).open(journal(killed.path())).expect("opened");
        file.set_len(cut).expect("cut");
        check(killed.path(), MEMBERS, true, &format!("the journal cut at {cut} of {end}"));
    }
}
