//! Changes go to the log before they are in the index: refused there they are nowhere, and the log keeps them until the
//! index has them for good.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use openim_record::{PartitionId, Position, Seq, StoreBatch, Told, UserId};
use openim_storage::conformance::{self, Sample, Wait as _, encoded};
use openim_storage::embedded::{Embedded, HandIn, OpenError, Options, open};
use openim_storage::port::{
    Directory as _, GroupChange, GroupLimits, GroupOutcome, Groups as _, History as _, Member,
    Registered, Role, StoreError, User,
};

fn options() -> Options {
    Options { segment_bytes: 8 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn user(uid: &str) -> User {
    conformance::user(uid, &format!("name of {uid}"))
}

fn register(storage: &Embedded, uid: &str) {
    let registered = storage.directory.register(&[user(uid)]).wait().expect("registered");
    assert_eq!(registered, [Registered::Created]);
}

fn known(storage: &Embedded, uid: &str) -> bool {
    storage.directory.users(&[UserId::new(uid)]).wait().expect("read")[0].is_some()
}

fn append(storage: &mut Embedded, count: u64) {
    for number in 0..count {
        let record = encoded(Sample { persistent: false, ..Sample::new(number) });
        conformance::append(&mut storage.log, &[&record], 1_000, &mut Vec::new())
            .expect("appended");
    }
}

/// Notes that inboxes have all of the log, and lets go of what is older than that.
fn store_and_retain(storage: &Embedded) {
    let applied = vec![(PartitionId(0), storage.log.head())];
    let batch = StoreBatch { applied, ..StoreBatch::default() };
    storage.history.store(&batch).wait().expect("stored");
    while storage.history.retain(i64::MAX, 1_000).wait().expect("retained").more {}
}

fn killed(dir: &Path) -> tempfile::TempDir {
    let copied = tempfile::tempdir().expect("a directory");
    conformance::copy(dir, copied.path());
    copied
}

fn journal(dir: &Path) -> PathBuf {
    let listed = fs::read_dir(dir.join("index")).expect("the index is listed");
    let files = listed.map(|entry| entry.expect("listed").path());
    let mut journals = files.filter(|path| path.extension().is_some_and(|ext| ext == "jnl"));
    journals.next().expect("a journal")
}

fn cut(file: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(file).expect("opened");
    file.set_len(length).expect("cut");
}

fn written(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("read");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// A log that takes nothing.
struct Full;

impl HandIn for Full {
    fn hand_in(
        &self,
        _: Vec<u8>,
        _: Vec<Told>,
        _: &Arc<AtomicU64>,
    ) -> Result<Position, StoreError> {
        let what = "appending".to_owned();
        Err(StoreError::Unavailable { what, cause: "the disk is full".into() })
    }
}

#[test]
fn a_change_that_the_log_refuses_is_nowhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = open(dir.path(), &options()).expect("opens");
    register(&storage, "a");
    storage.changes.hand_to(Box::new(Full));
    let refused = storage.directory.register(&[user("b")]).wait().expect_err("refused");
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    assert!(known(&storage, "a") && !known(&storage, "b"));
    drop(storage);
    let storage = open(dir.path(), &options()).expect("opens");
    assert!(known(&storage, "a") && !known(&storage, "b"));
    register(&storage, "b");
}

#[test]
fn a_change_is_durable_before_it_is_seen_and_needs_no_flush_of_the_index() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = open(dir.path(), &options()).expect("opens");
    let begin = written(&journal(dir.path()));
    for n in 0..20 {
        register(&storage, &format!("user{n}"));
        // As after a power cut: the journal is where it was when it was last flushed.
        let killed = killed(dir.path());
        cut(&journal(killed.path()), begin);
        let storage = open(killed.path(), &options()).expect("opens");
        assert!((0..=n).all(|n| known(&storage, &format!("user{n}"))), "{n}");
    }
}

#[test]
fn segments_stay_until_the_index_has_their_rows_for_good() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = open(dir.path(), &options()).expect("opens");
    let begin = written(&journal(dir.path()));
    for n in 0..5 {
        append(&mut storage, 50);
        register(&storage, &format!("user{n}"));
    }
    let all = storage.log.head();
    store_and_retain(&storage);
    append(&mut storage, 200);
    store_and_retain(&storage);
    let segment = |base: u64| dir.path().join("log").join(format!("{base:020}.log"));
    assert!(!segment(0).exists(), "nothing keeps the first segment");
    // What let go of segments was durable before: whatever a power cut takes from then on, nobody is missing.
    let end = written(&journal(dir.path()));
    for at in (begin..=end).step_by(61).chain([end]) {
        let killed = killed(dir.path());
        cut(&journal(killed.path()), at);
        match open(killed.path(), &options()) {
            Ok(storage) => {
                assert!((0..5).all(|n| known(&storage, &format!("user{n}"))), "{at} of {end}");
                assert!(storage.log.head() >= all);
            }
            // Cut further back than what was durable, which no power cut does.
            Err(OpenError::Lost { .. } | OpenError::Store(_)) => assert!(at < end, "{at} of {end}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_ordinary_start_reads_none_of_a_log_that_was_applied() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = open(dir.path(), &options()).expect("opens");
    register(&storage, "a");
    append(&mut storage, 100);
    storage.history.settle().wait().expect("settled");
    drop(storage);
    // Damage in what nobody needs any more is none of a start.
    let first = dir.path().join("log").join(format!("{:020}.log", 0));
    let mut bytes = fs::read(&first).expect("read");
    bytes[200] ^= 1;
    fs::write(&first, bytes).expect("written");
    assert!(known(&open(dir.path(), &options()).expect("opens"), "a"));
}

#[test]
fn many_large_changes_of_groups_are_all_made() {
    const MEMBERS: usize = 300;
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { reserve_bytes: 0, ..Options::default() };
    let storage = open(dir.path(), &options).expect("opens");
    let text = String::new;
    let create = |n: usize| {
        let member = |m: usize| Member {
            uid: UserId::new(&format!("user{m}")),
            role: if m == 0 { Role::Owner } else { Role::Ordinary },
            nickname: text(),
            face_url: "f".repeat(1_500),
            join_ms: 1,
        };
        let group = conformance::group(&format!("g{n}"));
        GroupChange::Create { group, members: (0..MEMBERS).map(member).collect() }
    };
    let changes: Vec<_> = (0..40).map(create).collect();
    let limits = GroupLimits { members_max: 1_000, joined_max: 100, requests_max: 1 };
    let made = storage.groups.apply(&changes, limits).wait().expect("applied");
    assert!(made.iter().all(|made| made.outcome == GroupOutcome::Done));
    drop(storage);
    let storage = open(dir.path(), &options).expect("opens");
    let joined = storage.groups.joined(&UserId::new("user7"), None, 100).wait().expect("read");
    assert_eq!(joined.len(), changes.len());
    let bounds = storage.history.bounds(&[UserId::new("user7")]).wait().expect("read");
    assert_eq!(bounds[0].newest, Seq(0), "changes are in no inbox");
}

/// Tables are changed by several threads, and the order of the log is that in which they are applied.
#[test]
fn changes_of_several_threads_are_all_there_behind_a_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = Arc::new(open(dir.path(), &options()).expect("opens"));
    let begin = written(&journal(dir.path()));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let storage = &storage;
            scope.spawn(move || (0..20).for_each(|n| register(storage, &format!("u{thread}.{n}"))));
        }
    });
    let end = written(&journal(dir.path()));
    for at in (begin..end).step_by(1_501).chain([end]) {
        let killed = killed(dir.path());
        cut(&journal(killed.path()), at);
        let storage = open(killed.path(), &options()).expect("opens");
        for thread in 0..4 {
            assert!((0..20).all(|n| known(&storage, &format!("u{thread}.{n}"))), "{at} of {end}");
        }
    }
}
