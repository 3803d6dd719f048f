//! A server, its standby, and what becomes of both: seeds decide who writes, follows, is killed and is promoted. What the
//! standby had is in what it serves, once and in order, and begins where a client may have seen it begin, for history
//! expires meanwhile; what the old one wrote behind that never is; and the old one, back as a standby of the new one, ends
//! equal.
//!
//! `OPENIM_TEST_SIM_SEEDS` runs more seeds; a failure names its seed.

#[path = "beside/mod.rs"]
mod beside;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use beside::Beside;
use openim_record::{InboxRun, PartitionId, Position, Rows, Seq, StoreBatch, UserId};
use openim_storage::conformance::{self, Sample, Wait as _, encoded};
use openim_storage::embedded::copy::Source as _;
use openim_storage::embedded::standby::{
    Aside, Note, Stage, Standby, StandbyError, Standing, is_newer, promote_again, take,
};
use openim_storage::embedded::{Embedded, OpenError, Options, open};
use openim_storage::port::{Directory as _, History as _, Registered};

fn options() -> Options {
    Options {
        segment_bytes: 16 * 1024,
        reserve_bytes: 0,
        base_every_bytes: 40 * 1024,
        ..Options::default()
    }
}

const OF: &str = "http://127.0.0.1:1";
const ALL: &str = "everybody";

fn beside(storage: &Embedded) -> Beside {
    Beside { origin: Arc::clone(&storage.origin), now_ms: 0, bytes_max: u64::MAX }
}

/// What a kill leaves of a directory that is open.
fn killed(dir: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().expect("a directory");
    conformance::copy(dir, left.path());
    left
}

/// Numbers the messages of the log that the history has not, all in one inbox.
fn feed(storage: &mut Embedded) {
    let user = UserId::new(ALL);
    let from = storage.history.recover(PartitionId(0)).wait().expect("read").applied;
    let bounds = storage.history.bounds(std::slice::from_ref(&user)).wait().expect("read")[0];
    let mut at = Vec::new();
    conformance::replay(&mut storage.tail, from, &mut |record| {
        if !Rows::are_in(record.record) {
            at.push(record.position);
        }
        ControlFlow::Continue(())
    })
    .expect("replayed");
    let runs = match at.is_empty() {
        true => Vec::new(),
        false => vec![InboxRun::new(user, bounds.newest.next(), at)],
    };
    let applied = vec![(PartitionId(0), storage.log.head())];
    storage
        .history
        .store(&StoreBatch { runs, applied, ..StoreBatch::default() })
        .wait()
        .expect("stored");
}

/// What of the log is there, by position.
type Records = Vec<(Position, Vec<u8>)>;

/// What a directory holds, as far as these users go.
#[derive(PartialEq)]
struct Held {
    records: Records,
    /// The first seq that is shown, and what lies in it and behind it.
    min: u64,
    inbox: Vec<Position>,
    known: BTreeSet<String>,
}

impl Held {
    /// Records that no retention has removed here or there.
    fn behind(&self, first: Position) -> impl Iterator<Item = &(Position, Vec<u8>)> {
        self.records.iter().filter(move |(position, _)| *position >= first)
    }

    /// Where history begins; what lies before may be gone.
    fn first(&self) -> Position {
        self.inbox.first().copied().unwrap_or(Position(u64::MAX))
    }
}

fn holds(storage: &mut Embedded, uids: &[String]) -> Held {
    feed(storage);
    let mut records = Vec::new();
    conformance::replay(&mut storage.tail, Position(0), &mut |record| {
        records.push((record.position, record.record.to_vec()));
        ControlFlow::Continue(())
    })
    .expect("replayed");
    let user = UserId::new(ALL);
    let min = min_of(storage);
    let mut inbox = Vec::new();
    let mut next = Some(Seq(1));
    while let Some(from) = next {
        let range =
            storage.history.range(&user, from, Seq(u64::MAX), 1 << 20).wait().expect("read");
        for entry in &range.entries {
            assert_eq!(entry.seq.0, min + inbox.len() as u64, "seqs are dense, from min on");
            entry.record.as_ref().expect("whole");
            inbox.push(entry.position);
        }
        next = range.next;
    }
    let ids: Vec<UserId> = uids.iter().map(|uid| UserId::new(uid)).collect();
    let found = storage.directory.users(&ids).wait().expect("read");
    let known = uids.iter().zip(found).filter(|(_, user)| user.is_some());
    let known = known.map(|(uid, _)| uid.clone()).collect();
    Held { records, min, inbox, known }
}

/// The min that a client is told.
fn min_of(storage: &Embedded) -> u64 {
    storage.history.bounds(&[UserId::new(ALL)]).wait().expect("read")[0].min.0
}

/// Cuts as the log tells until all is done, or for a while.
fn cut_as_told(storage: &Embedded, calls: u64) {
    for _ in 0..calls {
        if !storage.history.retain_as_told(20).expect("retained").more {
            return;
        }
    }
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit.max(1)
    }
}

struct World {
    random: Random,
    dir: tempfile::TempDir,
    server: Option<Embedded>,
    standby_dir: tempfile::TempDir,
    standby: Option<Standby>,
    number: u64,
    uids: Vec<String>,
    /// Everything before was followed durably.
    followed: u64,
    /// Every message of the log, and when it was appended; in the order of their seqs.
    messages: Vec<(Position, u64)>,
    cuts: Vec<Cut>,
}

/// History expired at the server.
struct Cut {
    /// Where the log ended before, and when a client saw it.
    begun: u64,
    seen: u64,
    /// What was appended before went; a client saw this min.
    older_than: u64,
    min: u64,
}

/// What is kept of history, in messages.
const KEEPS: u64 = 60;

impl World {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Some(open(dir.path(), &options()).expect("opens"));
        let standby_dir = tempfile::tempdir().expect("a directory");
        let random = Random(seed);
        Self {
            random,
            dir,
            server,
            standby_dir,
            standby: None,
            number: 0,
            uids: Vec::new(),
            followed: 0,
            messages: Vec::new(),
            cuts: Vec::new(),
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random.below(n)
    }

    fn server(&mut self) -> &mut Embedded {
        self.server.as_mut().expect("it runs")
    }

    fn write(&mut self) {
        for _ in 0..=self.below(8) {
            self.number += 1;
            let (number, content_bytes) = (self.number, self.below(900) as usize);
            match self.below(3) {
                0 => {
                    let uid = format!("u{number}");
                    let user = conformance::user(&uid, &"n".repeat(content_bytes));
                    let registered = self.server().directory.register(&[user]).wait();
                    assert_eq!(registered.expect("registered"), [Registered::Created]);
                    self.uids.push(uid);
                }
                _ => {
                    let sample = Sample { content_bytes, persistent: false, ..Sample::new(number) };
                    let log = &mut self.server().log;
                    let mut at = Vec::new();
                    conformance::append(log, &[&encoded(sample)], number as i64, &mut at)
                        .expect("appended");
                    self.messages.extend(at.iter().map(|at| (*at, number)));
                }
            }
        }
    }

    /// History expires at the server, as far as a number of calls brings it, and a client looks.
    fn retain(&mut self, calls: u64) {
        let older_than = self.number.saturating_sub(KEEPS);
        let server = self.server.as_mut().expect("it runs");
        feed(server);
        let begun = server.origin.durable();
        for _ in 0..calls {
            if !server.history.retain(older_than as i64, 20).wait().expect("retained").more {
                break;
            }
        }
        let (seen, min) = (server.origin.durable(), min_of(server));
        assert!(min <= self.min_at(older_than), "nothing young is cut");
        self.cuts.push(Cut { begun, seen, older_than, min });
    }

    /// The min when all has expired that was appended before a moment.
    fn min_at(&self, older_than: u64) -> u64 {
        self.messages.partition_point(|(_, number)| *number < older_than) as u64 + 1
    }

    /// The log ends here from now on.
    fn cut_books(&mut self, end: u64) {
        self.messages.retain(|(position, _)| position.0 < end);
        self.cuts.retain(|cut| cut.begun < end);
    }

    /// A server with the log up to `end` shows as much as a client has seen before, and nothing that expired later.
    fn check_min(&self, min: u64, end: u64) {
        let seen = self.cuts.iter().filter(|cut| cut.seen <= end).map(|cut| cut.min).max();
        assert!(min >= seen.unwrap_or(1), "min falls from {seen:?} to {min}");
        let told = self.cuts.iter().filter(|cut| cut.begun < end);
        let most = told.map(|cut| self.min_at(cut.older_than)).max().unwrap_or(1);
        assert!(min <= most, "{min} is of a later cut than {most}");
    }

    /// What an inbox has that begins at this min.
    fn inbox_from(&self, min: u64, end: u64) -> Vec<Position> {
        let positions = self.messages.iter().map(|(position, _)| *position);
        positions.skip(min as usize - 1).filter(|position| position.0 < end).collect()
    }

    fn source(&mut self) -> Beside {
        beside(self.server())
    }

    /// Takes or follows, as far as a random number of steps.
    fn follow(&mut self) -> Option<Aside> {
        let mut source = self.source();
        if self.standby.is_none() {
            self.standby = Standby::open(self.standby_dir.path(), &options()).expect("opens");
        }
        let Some(standby) = &mut self.standby else {
            let mut left = self.random.below(40);
            let mut told = |_| {
                left = left.saturating_sub(1);
                left > 0
            };
            return match take(
                self.standby_dir.path(),
                &options(),
                (OF, false),
                &mut source,
                &mut told,
            ) {
                Ok(aside) => aside,
                Err(StandbyError::Open(OpenError::Store(_))) => None,
                Err(error) => panic!("{error}"),
            };
        };
        let about = source.about().expect("it runs");
        match standby.meet(&about).expect("the same data") {
            Standing::Part => {}
            Standing::Beyond => {
                self.standby = None;
                let goes_on = &mut |_| true;
                return take(
                    self.standby_dir.path(),
                    &options(),
                    (OF, false),
                    &mut source,
                    goes_on,
                )
                .expect("taken");
            }
            standing => panic!("{standing:?}"),
        }
        for _ in 0..3 {
            match standby.follow(&mut source, 0) {
                Ok(reached) => self.followed = reached.at,
                Err(StandbyError::Apart(_)) => {
                    self.standby = None;
                    let goes_on = &mut |_| true;
                    take(self.standby_dir.path(), &options(), (OF, true), &mut source, goes_on)
                        .expect("taken");
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
        None
    }

    /// One step; all but a promotion.
    fn step(&mut self) {
        match self.below(24) {
            0..=8 => self.write(),
            19..=21 => {
                let calls = 1 + self.below(5);
                self.retain(calls);
            }
            22 => {
                let calls = self.below(3);
                if let Some(standby) = &mut self.standby {
                    feed(&mut standby.storage);
                    cut_as_told(&standby.storage, calls);
                }
            }
            9..=14 => drop(self.follow()),
            15 => {
                let left = killed(self.dir.path());
                self.server = None;
                self.dir = left;
                self.server = Some(open(self.dir.path(), &options()).expect("opens"));
            }
            16 => {
                let left = killed(self.standby_dir.path());
                self.standby = None;
                self.standby_dir = left;
            }
            17 => {
                feed(self.server());
                self.server().history.settle().wait().expect("settled");
            }
            18 => {
                if let Some(standby) = &mut self.standby {
                    feed(&mut standby.storage);
                    standby.storage.history.settle().wait().expect("settled");
                }
            }
            _ => {
                // The standby stops and begins again.
                self.standby = None;
            }
        }
    }

    /// Promotes, maybe in two attempts.
    fn promote(&self, standby: Standby, cut_short: u64) {
        match cut_short {
            // Killed before the epoch was noted, and after it was.
            0 => {
                drop(standby);
                let note = Note { of: OF.to_owned(), stage: Stage::Promoting };
                fs::write(self.standby_dir.path().join("standby"), note.to_string())
                    .expect("written");
                promote_again(self.standby_dir.path(), &options())
                    .expect("opens")
                    .expect("promoted");
            }
            1 => {
                standby.promote().expect("promoted");
                let note = Note { of: OF.to_owned(), stage: Stage::Promoting };
                fs::write(self.standby_dir.path().join("standby"), note.to_string())
                    .expect("written");
                promote_again(self.standby_dir.path(), &options())
                    .expect("opens")
                    .expect("promoted");
            }
            _ => drop(standby.promote().expect("promoted")),
        }
    }

    /// The standby is promoted while the old one still writes; then they change places.
    fn change_places(&mut self) {
        while self.standby.is_none() || self.below(3) > 0 {
            drop(self.follow());
        }
        let at = self.followed.min(self.standby.as_ref().expect("it follows").at());
        if self.below(2) == 0 {
            self.write();
        }
        let uids = self.uids.clone();
        let before = holds(self.server(), &uids);
        let cut_short = self.below(3);
        let standby = self.standby.take().expect("it follows");
        let end = standby.at();
        assert!(end >= at, "what was followed is there");
        self.promote(standby, cut_short);
        let mut new = open(self.standby_dir.path(), &options()).expect("it serves");
        let held = holds(&mut new, &uids);
        let first = before.first().max(held.first());
        let kept = before.behind(first).filter(|(position, _)| position.0 < end);
        let is_kept = held.behind(first).eq(kept);
        assert!(is_kept, "what was there up to the promotion, and nothing else");
        self.check_min(held.min, end);
        assert_eq!(held.inbox, self.inbox_from(held.min, end));
        // The old one goes on, until it hears of it.
        self.write();
        let old = holds(self.server(), &uids);
        let known = held.known;
        assert!(known.is_subset(&old.known));
        let beyond = old.behind(Position(end)).count() as u64;
        self.cut_books(end);
        let newer = new.fence.epochs();
        self.server().fence.close(&newer).expect("fenced");
        let record = encoded(Sample::new(0));
        conformance::append(&mut self.server().log, &[&record], 1, &mut Vec::new())
            .expect_err("it is fenced");
        let about = self.source().about().expect("it runs");
        assert!(is_newer(self.standby_dir.path(), &about).expect("read"));
        self.server = None;
        let refused = open(self.dir.path(), &options()).err().expect("refused");
        assert!(matches!(refused, OpenError::Fenced { .. }), "{refused}");
        self.uids.retain(|uid| known.contains(uid));
        self.come_back(new, end, beyond);
    }

    /// The old one follows the new one, in as many attempts as it takes.
    fn come_back(&mut self, new: Embedded, end: u64, beyond: u64) {
        std::mem::swap(&mut self.dir, &mut self.standby_dir);
        self.server = Some(new);
        self.write();
        let mut aside = None;
        while self.standby.is_none()
            || self.standby.as_ref().map(Standby::at) != Some(self.server().origin.durable())
        {
            aside = self.follow().or(aside);
        }
        match aside {
            Some(aside) => assert_eq!(aside.records, beyond, "what it wrote beyond is counted"),
            // Told by an attempt that was cut short.
            None => {
                let kept = self.standby_dir.path().join(format!("aside-{end:020}"));
                assert_eq!(kept.exists(), beyond > 0, "what it wrote beyond is kept");
            }
        }
        self.compare();
    }

    fn compare(&mut self) {
        let uids = self.uids.clone();
        self.retain(u64::MAX);
        while self.standby.as_ref().map(Standby::at) != Some(self.server().origin.durable()) {
            drop(self.follow());
        }
        let own = holds(self.server(), &uids);
        assert_eq!(own.known.len(), uids.len(), "all who were registered are there");
        let standby = self.standby.as_mut().expect("it follows");
        feed(&mut standby.storage);
        cut_as_told(&standby.storage, u64::MAX);
        let theirs = holds(&mut standby.storage, &uids);
        assert_eq!((own.min, own.known), (theirs.min, theirs.known), "both hold the same");
        assert_eq!(own.inbox, theirs.inbox);
        let first = own.inbox.first().copied().unwrap_or(Position(u64::MAX));
        let behind = |records: &Records| -> Records {
            records.iter().filter(|(position, _)| *position >= first).cloned().collect()
        };
        assert!(behind(&own.records) == behind(&theirs.records));
        self.followed = standby.at();
    }
}

#[test]
fn what_was_followed_is_served_and_nothing_else_whatever_is_killed() {
    let seeds =
        std::env::var("OPENIM_TEST_SIM_SEEDS").map_or(4, |text| text.parse().expect("a number"));
    for seed in 1..=seeds {
        println!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..3 {
            for _ in 0..40 {
                world.step();
            }
            world.change_places();
        }
    }
}

fn segments(dir: &Path) -> usize {
    conformance::files(&dir.join("log"))
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "log"))
        .count()
}

/// However much has come and expired, a standby that follows holds no more than its server.
#[test]
fn what_expires_at_the_source_leaves_the_standby_too() {
    let mut world = World::new(3);
    world.write();
    while world.standby.is_none() {
        drop(world.follow());
    }
    let mut most = 0;
    for _ in 0..30 {
        for _ in 0..15 {
            world.write();
        }
        world.retain(u64::MAX);
        while world.standby.as_ref().map(Standby::at) != Some(world.server().origin.durable()) {
            drop(world.follow());
        }
        let standby = world.standby.as_mut().expect("it follows");
        feed(&mut standby.storage);
        standby.storage.history.settle().wait().expect("settled");
        cut_as_told(&standby.storage, u64::MAX);
        let min = min_of(&standby.storage);
        assert_eq!(min, min_of(world.server()), "as much is shown");
        most = most.max(segments(world.standby_dir.path()));
    }
    assert!(world.messages.len() > 1_000, "{}", world.messages.len());
    // Some 60 messages of half a kilobyte and what was registered meanwhile, in segments of 16 KiB.
    assert!(most < 20, "{most} segments");
    world.change_places();
}

#[test]
fn a_directory_of_other_data_is_refused() {
    let mut world = World::new(1);
    world.write();
    drop(open(world.standby_dir.path(), &options()).expect("opens"));
    let mut source = world.source();
    let taken = take(world.standby_dir.path(), &options(), (OF, false), &mut source, &mut |_| true);
    assert!(taken.expect_err("refused").to_string().contains("not the source's"));
}

#[test]
fn one_that_follows_is_served_by_nobody_and_two_that_were_promoted_stay_apart() {
    let mut world = World::new(2);
    world.write();
    while world.standby.is_none() {
        drop(world.follow());
    }
    // Its server has another address now.
    let of = "http://127.0.0.1:2";
    world.standby.take().expect("it follows").follows(of).expect("noted");
    let refused = open(world.standby_dir.path(), &options()).err().expect("refused").to_string();
    assert!(refused.contains("openim promote") && refused.contains(of), "{refused}");
    let twin = killed(world.standby_dir.path());
    let promoted = |dir: &Path| {
        let standby = Standby::open(dir, &options()).expect("opens").expect("it follows");
        standby.promote().expect("promoted");
        open(dir, &options()).expect("serves")
    };
    let (one, other) = (promoted(world.standby_dir.path()), promoted(twin.path()));
    let note = Note { of: of.to_owned(), stage: Stage::Promoted };
    assert_eq!(Note::read(twin.path()).expect("read"), Some(note), "whom it is promoted over");
    drop(other);
    let mut source = beside(&one);
    let taken = take(twin.path(), &options(), (OF, false), &mut source, &mut |_| true);
    assert!(taken.expect_err("refused").to_string().contains("both promoted"));
    // Nor does the new one follow the old one.
    drop(one);
    let mut source = world.source();
    let taken = take(world.standby_dir.path(), &options(), (OF, false), &mut source, &mut |_| true);
    assert!(taken.expect_err("refused").to_string().contains("older one"));
}
