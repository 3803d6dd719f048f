//! A server, its standby, and what becomes of both: seeds decide who writes, follows, is killed and is promoted. What the
//! standby had is in what it serves, once and in order; what the old one wrote behind that never is; and the old one, back as
//! a standby of the new one, ends equal.
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

/// Records by position, the inbox, and who is registered.
type Held = (Vec<(Position, Vec<u8>)>, Vec<Position>, BTreeSet<String>);

/// All that a directory holds, as far as these users go.
fn holds(storage: &mut Embedded, uids: &[String]) -> Held {
    feed(storage);
    let mut records = Vec::new();
    conformance::replay(&mut storage.tail, Position(0), &mut |record| {
        records.push((record.position, record.record.to_vec()));
        ControlFlow::Continue(())
    })
    .expect("replayed");
    let user = UserId::new(ALL);
    let mut inbox = Vec::new();
    let mut next = Some(Seq(1));
    while let Some(from) = next {
        let range =
            storage.history.range(&user, from, Seq(u64::MAX), 1 << 20).wait().expect("read");
        for entry in &range.entries {
            assert_eq!(entry.seq.0, inbox.len() as u64 + 1, "seqs are dense");
            entry.record.as_ref().expect("whole");
            inbox.push(entry.position);
        }
        next = range.next;
    }
    let ids: Vec<UserId> = uids.iter().map(|uid| UserId::new(uid)).collect();
    let found = storage.directory.users(&ids).wait().expect("read");
    let known = uids.iter().zip(found).filter(|(_, user)| user.is_some());
    (records, inbox, known.map(|(uid, _)| uid.clone()).collect())
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
}

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
                    let record = encoded(Sample { content_bytes, ..Sample::new(number) });
                    let log = &mut self.server().log;
                    conformance::append(log, &[&record], number as i64, &mut Vec::new())
                        .expect("appended");
                }
            }
        }
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
        match self.below(20) {
            0..=8 => self.write(),
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
        let (before, _, _) = holds(self.server(), &uids);
        let cut_short = self.below(3);
        let standby = self.standby.take().expect("it follows");
        let end = standby.at();
        assert!(end >= at, "what was followed is there");
        self.promote(standby, cut_short);
        let mut new = open(self.standby_dir.path(), &options()).expect("it serves");
        let (records, inbox, known) = holds(&mut new, &uids);
        let kept: Vec<_> =
            before.iter().filter(|(position, _)| position.0 < end).cloned().collect();
        assert_eq!(records, kept, "what was there up to the promotion, and nothing else");
        let messages = kept.iter().filter(|(_, record)| !Rows::are_in(record));
        assert_eq!(inbox, messages.map(|(position, _)| *position).collect::<Vec<_>>());
        // The old one goes on, until it hears of it.
        self.write();
        let (old, _, old_known) = holds(self.server(), &uids);
        assert!(known.is_subset(&old_known));
        let beyond = old.iter().filter(|(position, _)| position.0 >= end).count() as u64;
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
        let own = holds(self.server(), &uids);
        assert_eq!(own.2.len(), uids.len(), "all who were registered are there");
        let standby = self.standby.as_mut().expect("it follows");
        let theirs = holds(&mut standby.storage, &uids);
        assert!(own == theirs, "both hold the same");
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
    world.standby = None;
    let refused = open(world.standby_dir.path(), &options()).err().expect("refused").to_string();
    assert!(refused.contains("openim promote"), "{refused}");
    let twin = killed(world.standby_dir.path());
    let promoted = |dir: &Path| {
        let standby = Standby::open(dir, &options()).expect("opens").expect("it follows");
        standby.promote().expect("promoted");
        open(dir, &options()).expect("serves")
    };
    let (one, other) = (promoted(world.standby_dir.path()), promoted(twin.path()));
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
