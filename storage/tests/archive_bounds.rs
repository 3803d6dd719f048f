//! The archive forgets what it has kept for its time, and its oldest where it is too large; and nothing else changes by
//! that: no inbox, no bound, no number, nothing that a start reads again.

use std::ops::ControlFlow;
use std::path::Path;

use openim_record::{
    InboxBounds, InboxRun, Message, MessageKey, PartitionId, Position, Rows, SESSION_GROUP, Seq,
    StoreBatch, Switches, UserId,
};
use openim_storage::conformance::{self, Wait as _};
use openim_storage::embedded::{
    ArchiveBounds, ArchiveReader, Embedded, EmbeddedHistory, Options, Salvaged, Span, open,
};
use openim_storage::port::{Archive as _, History as _, Records as _, RetainReport};

const SEGMENT_BYTES: u64 = 8 * 1024;
/// Records that are appended together.
const BATCH: usize = 4;

fn options(archive: ArchiveBounds) -> Options {
    let (segment_bytes, reserve_bytes, base_every_bytes) = (SEGMENT_BYTES, 0, 64 * 1024);
    Options { segment_bytes, reserve_bytes, base_every_bytes, archive, ..Options::default() }
}

fn message(number: u64, session_type: i32, persistent: bool) -> Vec<u8> {
    let client_msg_id = format!("m{number}");
    let recv_id = if session_type == SESSION_GROUP { "g1" } else { "bob" };
    let mut out = Vec::new();
    Message {
        key: MessageKey::new("alice", session_type, recv_id, &client_msg_id),
        switches: Switches { persistent, ..Switches::ON },
        session_type,
        send_id: "alice",
        recv_id,
        client_msg_id: &client_msg_id,
        content: "something that is as long as what people write to each other",
        ..Message::BLANK
    }
    .encode(&mut out);
    out
}

struct Engine {
    all: Embedded,
    sent: u64,
}

impl Engine {
    fn at(dir: &Path, archive: ArchiveBounds) -> Self {
        Self { all: open(dir, &options(archive)).expect("opens"), sent: 0 }
    }

    fn send(
        &mut self,
        count: u64,
        session_type: i32,
        persistent: bool,
        now_ms: i64,
    ) -> Vec<Position> {
        let mut all = Vec::new();
        let records: Vec<_> =
            (1..=count).map(|n| message(self.sent + n, session_type, persistent)).collect();
        self.sent += count;
        for batch in records.chunks(BATCH) {
            let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            let mut positions = Vec::new();
            conformance::append(&mut self.all.log, &batch, now_ms, &mut positions)
                .expect("appended");
            all.append(&mut positions);
        }
        all
    }

    /// All that was appended is applied, and in nobody's inbox.
    fn apply(&self) {
        let applied = vec![(PartitionId(0), self.all.log.head())];
        let batch = StoreBatch { applied, ..StoreBatch::default() };
        self.all.history.store(&batch).wait().expect("stored");
    }

    fn retain(&self, older_than_ms: i64) -> Vec<RetainReport> {
        retain(&self.all.history, older_than_ms)
    }

    fn archived(&self) -> Vec<Position> {
        let mut shown = Vec::new();
        let each = &mut |found: openim_storage::port::Archived<'_>| shown.push(found.position);
        let next = self.all.archive.scan(Position(0), usize::MAX, each).wait().expect("read");
        assert_eq!(next, None);
        shown
    }

    fn stays(&self, why: &str) -> u64 {
        self.all.figures.stays().find(|(name, _)| *name == why).expect("a reason").1
    }

    fn gone(&self, why: &str) -> u64 {
        self.all.figures.gone().find(|(name, _)| *name == why).expect("a reason").1
    }
}

/// Retains until nothing is left to do.
fn retain(history: &EmbeddedHistory, older_than_ms: i64) -> Vec<RetainReport> {
    let mut reports = Vec::new();
    for _ in 0..2_000 {
        let report = history.retain(older_than_ms, 1_000).wait().expect("retained");
        let more = report.more;
        reports.push(report);
        if !more {
            return reports;
        }
    }
    panic!("retention never comes to an end");
}

const BOUNDS: ArchiveBounds =
    ArchiveBounds { single_ms: None, group_ms: None, bytes_max: None, group_bytes_max: None };

#[test]
fn each_kind_of_chat_is_kept_for_its_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ArchiveBounds { single_ms: Some(1_000), group_ms: Some(100), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    let singles = engine.send(150, 1, true, 10_000);
    let groups = engine.send(150, SESSION_GROUP, true, 10_000);
    engine.send(150, 1, false, 20_000);
    engine.apply();
    engine.retain(10_050);
    assert_eq!(engine.archived(), [&singles[..], &groups[..]].concat(), "nothing's time has come");
    engine.retain(10_101);
    let left = engine.archived();
    assert!(left.starts_with(&singles), "single chats are kept for longer");
    // Those that lie in one file with single chats stay with them, and those in one with history.
    assert!(left.len() < singles.len() + 80, "{}", left.len());
    assert!(engine.stays("neighbour") > 0 && engine.gone("age") > 0);
    engine.retain(11_001);
    let left = engine.archived();
    assert!(
        left.len() < 50 && left[..] > singles[..],
        "{}: what lies in one file with history",
        left.len()
    );
    assert_eq!((engine.stays("archive"), engine.stays("neighbour")), (0, 0));
}

#[test]
fn what_a_neighbour_keeps_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut engine = Engine::at(dir.path(), BOUNDS);
    engine.send(10, 1, false, 1_000);
    let kept = engine.send(1, 1, true, 1_000);
    engine.send(200, 1, false, 1_000);
    engine.apply();
    engine.retain(2_000);
    assert_eq!(engine.archived(), kept);
    let (archive, neighbour) = (engine.stays("archive"), engine.stays("neighbour"));
    assert!((1..400).contains(&archive), "{archive}");
    assert!(neighbour > SEGMENT_BYTES / 2, "{neighbour}");
    assert!(engine.stays("history") > 0, "the file that is written");
    assert!(engine.gone("history") > SEGMENT_BYTES);
    assert_eq!(engine.gone("age") + engine.gone("bytes"), 0);
}

#[test]
fn the_oldest_goes_first_where_the_archive_is_too_large_and_it_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ArchiveBounds { bytes_max: Some(5 * SEGMENT_BYTES), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    let mut all = Vec::new();
    for second in 1..=10 {
        all.extend(engine.send(100, 1, true, second * 1_000));
    }
    engine.apply();
    engine.retain(10_500);
    let left = engine.archived();
    assert!(all.ends_with(&left) && left.len() < all.len(), "the newest are there");
    let kept = engine.stays("archive") + engine.stays("neighbour");
    assert!((3 * SEGMENT_BYTES..=5 * SEGMENT_BYTES).contains(&kept), "{kept}");
    assert!(engine.gone("bytes") > SEGMENT_BYTES);
    drop(engine);
    // Told once, with how far it went.
    let mut engine = Engine::at(dir.path(), bounds);
    engine.sent = 1_000;
    engine.send(200, 1, true, 11_000);
    engine.apply();
    let reports = engine.retain(20_000);
    let told: Vec<_> = reports.iter().filter_map(|report| report.too_much).collect();
    assert!(!told.is_empty());
    let newest_ms = told.iter().map(|told| told.newest_ms).max();
    assert!((1_000..11_000).contains(&newest_ms.unwrap()), "{told:?}");
    assert!(engine.retain(20_000).iter().all(|report| report.too_much.is_none()));
}

#[test]
fn groups_may_have_a_bound_of_their_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ArchiveBounds { group_bytes_max: Some(2 * SEGMENT_BYTES), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    let groups = engine.send(300, SESSION_GROUP, true, 1_000);
    let singles = engine.send(300, 1, true, 1_000);
    engine.send(100, 1, false, 1_000);
    engine.apply();
    engine.retain(2_000);
    let left = engine.archived();
    assert!(left.ends_with(&singles), "single chats stay");
    assert!(left.len() < singles.len() + 150 && left.len() > singles.len(), "{}", left.len());
    assert_eq!(left[0].max(groups[150]), left[0], "the oldest have gone");
}

#[test]
fn a_clock_that_was_ahead_keeps_nothing_for_ever() {
    let dir = tempfile::tempdir().expect("a directory");
    let day_ms = 86_400_000;
    let bounds = ArchiveBounds { single_ms: Some(0), group_ms: Some(0), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    engine.send(100, 1, true, day_ms);
    engine.send(100, SESSION_GROUP, true, 50_000 * day_ms);
    engine.send(200, 1, true, 2 * day_ms);
    engine.send(200, 1, true, 3 * day_ms);
    engine.apply();
    engine.retain(3 * day_ms);
    let left = engine.archived();
    assert!(left.len() <= 300, "{}", left.len());
}

#[test]
fn who_reads_the_archive_is_not_stopped_by_what_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ArchiveBounds { single_ms: Some(0), group_ms: Some(0), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    engine.send(400, 1, true, 1_000);
    let young = engine.send(100, 1, true, 5_000);
    engine.apply();
    let mut shown = Vec::new();
    let mut removed = false;
    let history = std::sync::Arc::clone(&engine.all.history);
    let each = &mut |found: openim_storage::port::Archived<'_>| {
        // In the middle of the first file everything old goes.
        if !std::mem::replace(&mut removed, true) {
            std::thread::scope(|scope| {
                scope.spawn(|| retain(&history, 3_000));
            });
        }
        shown.push(found.position);
    };
    engine.all.archive.scan(Position(0), usize::MAX, each).wait().expect("read");
    assert!(shown.ends_with(&young));
    let mut record = Vec::new();
    for position in &young {
        engine.all.history.read(*position, &mut record).wait().expect("read");
    }
}

/// What the tool prints, and where it would go on.
fn printed(reader: &mut ArchiveReader, span: &Span) -> (Vec<Position>, Position) {
    let mut shown = Vec::new();
    let next = reader.scan(span, &mut |found| {
        match found {
            Salvaged::Message(archived) => shown.push(archived.position),
            Salvaged::Lost(what) => panic!("{what}"),
        }
        ControlFlow::Continue(())
    });
    (shown, next.expect("read"))
}

#[test]
fn the_tool_reads_beside_the_engine_what_is_durable_and_goes_on_with_what_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut engine = Engine::at(dir.path(), BOUNDS);
    let mut reader = ArchiveReader::open(dir.path()).expect("opens").expect("there is data");
    let mut span = Span::default();
    let (mut all, mut shown) = (Vec::new(), Vec::new());
    for round in 1..=20 {
        all.extend(engine.send(
            1 + round * 7 % 90,
            1 + round as i32 % 2,
            true,
            round as i64 * 1_000,
        ));
        let (more, next) = printed(&mut reader, &span);
        shown.extend(more);
        // Of the last batch nobody may have said yet that it is durable.
        assert!(all.starts_with(&shown) && shown.len() + BATCH >= all.len(), "round {round}");
        span.from = next;
    }
    engine.apply();
    shown.extend(printed(&mut reader, &span).0);
    assert_eq!(shown, all, "the index has noted how far the log is durable");
    let span = Span { since_ms: Some(5_000), until_ms: Some(7_000), ..Span::default() };
    let (some, _) = printed(&mut reader, &span);
    let counts: Vec<usize> = (1..=20).map(|round| 1 + round * 7 % 90).collect();
    let before: usize = counts[..4].iter().sum();
    assert_eq!(some, all[before..before + counts[4] + counts[5]]);
    drop(engine);
    let mut stopped = ArchiveReader::open(dir.path()).expect("opens").expect("there is data");
    assert_eq!(printed(&mut stopped, &Span::default()).0, all);
    assert!(open(dir.path(), &options(BOUNDS)).is_err(), "it keeps a server from starting");
}

#[test]
fn the_tool_is_not_stopped_by_what_goes_beneath_it_and_misses_nothing_that_went_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ArchiveBounds { group_ms: Some(0), ..BOUNDS };
    let mut engine = Engine::at(dir.path(), bounds);
    let mut singles = Vec::new();
    for round in 1..=5 {
        engine.send(100, SESSION_GROUP, true, round * 1_000);
        singles.extend(engine.send(60, 1, true, round * 1_000));
    }
    engine.send(100, 1, false, 6_000);
    engine.apply();
    let mut reader = ArchiveReader::beside(dir.path()).expect("opens").expect("there is data");
    let (mut shown, mut removed) = (Vec::new(), false);
    let each = &mut |found: Salvaged<'_>| {
        match found {
            Salvaged::Message(archived) => shown.push(archived.position),
            Salvaged::Lost(what) => panic!("{what}"),
        }
        if !std::mem::replace(&mut removed, true) {
            engine.retain(10_000);
        }
        ControlFlow::Continue(())
    };
    reader.scan(&Span::default(), each).expect("read");
    assert!(singles.iter().all(|at| shown.binary_search(at).is_ok()), "single chats stay");
    let left = engine.archived();
    assert!(left.len() < shown.len(), "something went: {} of {}", left.len(), shown.len());
    assert_eq!(printed(&mut reader, &Span::default()).0, left);
    drop(engine);
    let mut stopped = ArchiveReader::open(dir.path()).expect("opens").expect("there is data");
    assert_eq!(
        printed(&mut stopped, &Span::default()).0,
        left,
        "gaps that are meant are no damage"
    );
}

#[test]
fn the_tool_names_damage_also_beside_the_engine() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut engine = Engine::at(dir.path(), BOUNDS);
    let all = engine.send(20, 1, true, 1_000);
    engine.apply();
    let path = dir.path().join("log").join(format!("{:020}.log", 0));
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("opened");
    std::os::unix::fs::FileExt::write_all_at(&file, b"damage", all[5].0 + 60).expect("written");
    let mut reader = ArchiveReader::open(dir.path()).expect("opens").expect("there is data");
    let (mut shown, mut lost) = (Vec::new(), 0);
    let each = &mut |found: Salvaged<'_>| {
        match found {
            Salvaged::Message(archived) => shown.push(archived.position),
            Salvaged::Lost(_) => lost += 1,
        }
        ControlFlow::Continue(())
    };
    reader.scan(&Span::default(), each).expect("read");
    assert_eq!((shown, lost), ([&all[..5], &all[6..]].concat(), 1));
}

/// Numbers that a seed gives.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A server beside a twin that keeps its archive for ever; both are told the same.
struct Pair {
    dirs: [tempfile::TempDir; 2],
    bounds: ArchiveBounds,
    engines: [Option<Engine>; 2],
    users: Vec<(UserId, Vec<Position>)>,
    now_ms: i64,
    cutoff_ms: i64,
    /// Archived: when, to a group or not, where.
    archived: Vec<(i64, bool, Position)>,
}

impl Pair {
    fn new(bounds: ArchiveBounds) -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let users = (0..5).map(|n| (UserId::new(&format!("user{n}")), Vec::new())).collect();
        let mut pair = Self {
            dirs,
            bounds,
            engines: [None, None],
            users,
            now_ms: 1_000,
            cutoff_ms: 0,
            archived: Vec::new(),
        };
        pair.restart(0);
        pair
    }

    fn restart(&mut self, index_gone: u64) {
        for (n, bounds) in [self.bounds, BOUNDS].into_iter().enumerate() {
            let dir = self.dirs[n].path();
            let sent = self.engines[n].take().map_or(0, |engine| engine.sent);
            if index_gone == 1 {
                std::fs::remove_dir_all(dir.join("index")).expect("there was one");
            }
            let mut engine = Engine::at(dir, bounds);
            engine.sent = sent;
            self.engines[n] = Some(engine);
        }
        if index_gone == 1 {
            self.store_again();
        }
    }

    /// As a start does: what the index lacks of the log goes into inboxes again.
    fn store_again(&mut self) {
        for engine in self.engines.iter().flatten() {
            let state = engine.all.history.recover(PartitionId(0)).wait().expect("recovered");
            for (user, all) in &self.users {
                let bounds = bounds(engine, user);
                let behind = all.iter().filter(|position| **position >= state.applied);
                let first = Seq(all.len() as u64 - behind.clone().count() as u64 + 1);
                assert!(bounds.newest.next() >= first, "no number is lost");
                store(engine, user, first, behind.copied().collect());
            }
            engine.apply();
        }
    }

    fn send(&mut self, dice: &mut Dice) {
        self.now_ms += dice.roll(500) as i64;
        let session_type = 1 + dice.roll(2) as i32;
        let (persistent, count) = (dice.roll(3) > 0, 1 + dice.roll(60));
        let [one, other] = self.engines.each_mut();
        let (one, other) = (one.as_mut().expect("open"), other.as_mut().expect("open"));
        let at = one.send(count, session_type, persistent, self.now_ms);
        assert_eq!(at, other.send(count, session_type, persistent, self.now_ms), "the same places");
        if persistent {
            let is_group = session_type == SESSION_GROUP;
            self.archived.extend(at.iter().map(|at| (self.now_ms, is_group, *at)));
        }
        let user = dice.roll(self.users.len() as u64) as usize;
        let (user, all) = &mut self.users[user];
        let first = Seq(all.len() as u64 + 1);
        all.extend(&at);
        for engine in [&*one, &*other] {
            store(engine, user, first, at.clone());
            engine.apply();
        }
    }

    fn retain(&mut self, dice: &mut Dice) {
        self.cutoff_ms = self.cutoff_ms.max(self.now_ms - 500 - dice.roll(2_000) as i64);
        for engine in self.engines.iter().flatten() {
            engine.retain(self.cutoff_ms);
        }
    }

    fn check(&self) {
        let [one, other] = self.engines.each_ref().map(|engine| engine.as_ref().expect("open"));
        for (user, all) in &self.users {
            let of = bounds(one, user);
            assert_eq!(of, bounds(other, user), "{user}");
            assert_eq!(of.newest, Seq(all.len() as u64), "{user}");
            let ranges = [one, other].map(|engine| pulled(engine, user, of.newest));
            assert!(ranges[0] == ranges[1], "{user}: the same messages");
            let kept = (of.min.0.max(1)..=of.newest.0).map(Seq);
            assert!(ranges[0].iter().map(|(seq, ..)| *seq).eq(kept), "{user}: dense");
        }
        let state = |engine: &Engine| {
            let state = engine.all.history.recover(PartitionId(0)).wait().expect("recovered");
            (state.applied, engine.all.log.head())
        };
        assert_eq!(state(one), state(other));
        let shown = one.archived();
        let is_due = |(at_ms, is_group, _): &&(i64, bool, Position)| {
            let kept_ms = if *is_group { self.bounds.group_ms } else { self.bounds.single_ms };
            kept_ms.is_none_or(|kept_ms| *at_ms >= self.cutoff_ms - kept_ms)
        };
        if self.bounds.bytes_max.is_none() {
            let due = self.archived.iter().filter(is_due).map(|(.., at)| *at);
            due.for_each(|at| assert!(shown.binary_search(&at).is_ok(), "{at} is still kept"));
        }
        assert!(other.archived().iter().eq(self.archived.iter().map(|(.., at)| at)));
    }

    /// What is not applied yet is there for a start, whatever has expired.
    fn check_replay(&mut self) {
        let unapplied = [1, SESSION_GROUP].map(|session_type| {
            let each = |engine: &mut Engine| engine.send(90, session_type, true, self.now_ms);
            let [one, other] =
                self.engines.each_mut().map(|engine| each(engine.as_mut().expect("open")));
            assert_eq!(one, other);
            let is_group = session_type == SESSION_GROUP;
            self.archived.extend(one.iter().map(|at| (self.now_ms, is_group, *at)));
            one
        });
        self.now_ms += 1_000_000;
        self.cutoff_ms = self.now_ms;
        for engine in self.engines.iter_mut().flatten() {
            engine.retain(self.cutoff_ms);
            let state = engine.all.history.recover(PartitionId(0)).wait().expect("recovered");
            let mut replayed = Vec::new();
            let each = &mut |found: openim_storage::port::Replayed<'_>| {
                // The log tells of cuts as well.
                if !Rows::are_in(found.record) {
                    assert!(Message::decode(found.record).is_ok());
                    replayed.push(found.position);
                }
                ControlFlow::Continue(())
            };
            conformance::replay(&mut engine.all.tail, state.applied, each).expect("replayed");
            assert_eq!(replayed, unapplied.concat());
        }
    }
}

fn store(engine: &Engine, user: &UserId, first: Seq, positions: Vec<Position>) {
    if positions.is_empty() {
        return;
    }
    let runs = vec![InboxRun::new(user.clone(), first, positions)];
    engine.all.history.store(&StoreBatch { runs, ..StoreBatch::default() }).wait().expect("stored");
}

fn bounds(engine: &Engine, user: &UserId) -> InboxBounds {
    engine.all.history.bounds(std::slice::from_ref(user)).wait().expect("read")[0]
}

fn pulled(engine: &Engine, user: &UserId, newest: Seq) -> Vec<(Seq, Position, Box<[u8]>)> {
    let (mut all, mut from) = (Vec::new(), Some(Seq(1)));
    while let Some(next) = from {
        let range = engine.all.history.range(user, next, newest, usize::MAX).wait().expect("read");
        let entries = range.entries.into_iter();
        all.extend(entries.map(|entry| (entry.seq, entry.position, entry.record.expect("whole"))));
        from = range.next;
    }
    all
}

#[test]
fn inboxes_bounds_ids_and_replays_are_those_of_a_server_that_keeps_everything() {
    let kinds = [
        ArchiveBounds { single_ms: Some(4_000), group_ms: Some(1_000), ..BOUNDS },
        ArchiveBounds { single_ms: None, group_ms: Some(0), ..BOUNDS },
        ArchiveBounds { bytes_max: Some(6 * SEGMENT_BYTES), ..BOUNDS },
        ArchiveBounds {
            single_ms: Some(9_000),
            group_ms: None,
            bytes_max: Some(8 * SEGMENT_BYTES),
            group_bytes_max: Some(SEGMENT_BYTES),
        },
    ];
    for seed in 1..=4_u64 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut pair = Pair::new(kinds[seed as usize % kinds.len()]);
        let mut freed = 0;
        for step in 0..80 {
            match dice.roll(10) {
                0 => pair.retain(&mut dice),
                1 => pair.check(),
                2 if step % 3 == 0 => pair.restart(dice.roll(3)),
                _ => pair.send(&mut dice),
            }
            let now = pair.engines[0].as_ref().expect("open");
            freed = freed.max(now.gone("age") + now.gone("bytes"));
        }
        pair.retain(&mut dice);
        pair.check();
        pair.check_replay();
        pair.restart(0);
        pair.store_again();
        pair.check();
        assert!(freed > SEGMENT_BYTES, "seed {seed}: the archive gave room back");
    }
}
