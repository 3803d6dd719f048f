//! Random operations against a plain model in memory, from a seed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use openim_record::{Body, InboxRun, PartitionId, Position, Rows, Seq, StoreBatch, UserId};

use super::Wait as _;
use super::history::range;
use super::random::Random;
use super::{Backend, Sample, Site, Sites, encoded};

/// Runs `steps` random operations chosen by `seed` (appends, stores, repeated stores, reads,
/// retention, restarts) and compares every answer with a model.
///
/// # Panics
/// Where an answer differs; the message names the seed and the step.
pub fn model(sites: Sites<'_>, seed: u64, steps: u32) {
    let mut run = Run::new(sites(), seed);
    for step in 0..steps {
        run.step(step);
    }
    run.check_everything(steps);
}

struct Logged {
    append_ms: i64,
    sample: Sample,
}

#[derive(Default)]
struct Inbox {
    /// Every entry ever, in seq order.
    entries: Vec<Position>,
    /// How many of them are stored, and how many of those are expired.
    stored: usize,
    expired: usize,
}

const USERS: u64 = 12;
const PARTITION: PartitionId = PartitionId(1);

struct Run {
    seed: u64,
    random: Random,
    site: Box<dyn Site>,
    backend: Option<Backend>,
    now_ms: i64,
    number: u64,
    log: BTreeMap<Position, Logged>,
    inboxes: Vec<Inbox>,
    applied: Option<Position>,
    last_batch: StoreBatch,
    cutoff_ms: i64,
}

impl Run {
    fn new(mut site: Box<dyn Site>, seed: u64) -> Self {
        let backend = Some(site.open());
        let inboxes = (0..USERS).map(|_| Inbox::default()).collect();
        Self {
            seed,
            random: Random(seed),
            site,
            backend,
            now_ms: 1_000,
            number: 0,
            log: BTreeMap::new(),
            inboxes,
            applied: None,
            last_batch: StoreBatch::default(),
            cutoff_ms: i64::MIN,
        }
    }

    fn step(&mut self, step: u32) {
        match self.random.below(100) {
            0..45 => self.append(),
            45..70 => self.store(),
            70..75 => self.store_again(),
            75..90 => {
                let user = self.random.below(USERS);
                self.check_inbox(user as usize, step);
            }
            90..94 => self.retain(),
            94..97 => self.check_log(step),
            _ => {
                self.backend = None;
                self.backend = Some(self.site.open());
                self.check_everything(step);
            }
        }
    }

    fn backend(&mut self) -> &mut Backend {
        self.backend.as_mut().expect("open between steps")
    }

    fn append(&mut self) {
        self.now_ms += self.random.below(40) as i64;
        let records = 1 + self.random.below(20);
        let mut samples = Vec::new();
        for _ in 0..records {
            self.number += 1;
            let content_bytes = match self.random.below(20) {
                0 => self.random.below(20_000),
                _ => self.random.below(300),
            } as usize;
            // With odd seeds the archive is nearly empty, so that retention can free the log.
            let persistent =
                self.random.below(if self.seed.is_multiple_of(2) { 2 } else { 300 }) == 0;
            samples.push(Sample { number: self.number, content_bytes, persistent });
        }
        let encoded: Vec<_> = samples.iter().map(|sample| encoded(*sample)).collect();
        let refs: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        let (mut positions, now_ms) = (Vec::new(), self.now_ms);
        self.backend().log.append(&refs, now_ms, &mut positions).expect("appended");
        for (position, sample) in positions.into_iter().zip(samples) {
            self.log.insert(position, Logged { append_ms: now_ms, sample });
            let (a, b) = (self.random.below(USERS), self.random.below(USERS));
            self.inboxes[a as usize].entries.push(position);
            if a != b {
                self.inboxes[b as usize].entries.push(position);
            }
        }
    }

    fn store(&mut self) {
        let head = self.backend().log.head();
        let mut batch = StoreBatch { applied: vec![(PARTITION, head)], ..StoreBatch::default() };
        for (n, inbox) in self.inboxes.iter_mut().enumerate() {
            let positions = inbox.entries[inbox.stored..].to_vec();
            if !positions.is_empty() {
                let first = Seq(inbox.stored as u64 + 1);
                let body = |position: &Position| {
                    let Logged { append_ms, sample } = &self.log[position];
                    Body { append_ms: *append_ms, bytes: encoded(*sample).into() }
                };
                let records = positions.iter().map(body).collect();
                batch.runs.push(InboxRun { user: user(n), first, positions, records });
            }
            inbox.stored = inbox.entries.len();
        }
        self.backend().history.store(&batch).wait().expect("stored");
        self.applied = Some(head);
        self.last_batch = batch;
    }

    fn store_again(&mut self) {
        let batch = std::mem::take(&mut self.last_batch);
        self.backend().history.store(&batch).wait().expect("stored again");
    }

    fn retain(&mut self) {
        let age = self.random.below(3_000) as i64;
        self.cutoff_ms = self.cutoff_ms.max(self.now_ms - age);
        let (cutoff_ms, entries_max) = (self.cutoff_ms, 1 + self.random.below(200) as usize);
        while self.backend().history.retain(cutoff_ms, entries_max).wait().expect("retained").more {
        }
        for inbox in &mut self.inboxes {
            let old = |position: &Position| self.log[position].append_ms < cutoff_ms;
            inbox.expired = inbox.expired.max(inbox.entries[..inbox.stored].partition_point(old));
        }
    }

    fn check_everything(&mut self, step: u32) {
        for n in 0..self.inboxes.len() {
            self.check_inbox(n, step);
        }
        self.check_log(step);
        self.check_archive(step);
        let at = (self.seed, step);
        let recovered = self.backend().history.recover(PARTITION).wait().expect("read");
        assert_eq!(recovered.applied, self.applied.unwrap_or_default(), "seed and step {at:?}");
    }

    fn check_inbox(&mut self, n: usize, step: u32) {
        let at = (self.seed, step, n);
        let (from, span) = (self.random.below(400), self.random.below(200));
        let history = self.backend().history.clone();
        let Inbox { entries, stored, expired } = &self.inboxes[n];
        let min = if *stored == 0 { 0 } else { *expired as u64 + 1 };
        let bounds = history.bounds(&[user(n)]).wait().expect("read");
        let newest = Seq(*stored as u64);
        assert_eq!(
            (bounds[0].min, bounds[0].newest),
            (Seq(min), newest),
            "seed, step and user {at:?}"
        );
        let shown = range(&*history, &user(n), from, from + span);
        let expected: Vec<_> = (1..)
            .map(Seq)
            .zip(entries[..*stored].iter().copied())
            .skip(*expired)
            .filter(|(seq, _)| (from..=from + span).contains(&seq.0))
            .collect();
        let places: Vec<_> = shown.iter().map(|(seq, position, _)| (*seq, *position)).collect();
        assert_eq!(places, expected, "seed, step and user {at:?}");
        for (_, position, record) in shown.iter().step_by(7) {
            assert_eq!(**record, *encoded(self.log[position].sample), "seed, step and user {at:?}");
        }
    }

    fn check_log(&mut self, step: u32) {
        let at = (self.seed, step);
        // Only what history still needs and what is archived must be there after retention.
        let head = self.backend().log.head();
        let from = self.log.iter().find(|(_, logged)| logged.append_ms >= self.cutoff_ms);
        let from = from.map_or(head, |(position, _)| *position);
        let mut shown = Vec::new();
        let told = self.backend().log.replay(from, &mut |replayed| {
            // The log may tell of cuts as well.
            if !Rows::are_in(replayed.record) {
                shown.push((replayed.position, replayed.append_ms, replayed.record.to_vec()));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(told.expect("replayed"), head, "seed and step {at:?}");
        let expected: Vec<_> = self
            .log
            .range(from..)
            .map(|(position, logged)| (*position, logged.append_ms, encoded(logged.sample)))
            .collect();
        assert_eq!(shown.len(), expected.len(), "seed and step {at:?}");
        assert!(shown == expected, "seed and step {at:?}");
    }

    fn check_archive(&mut self, step: u32) {
        let at = (self.seed, step);
        let archive = self.backend().archive.clone();
        let mut shown = Vec::new();
        let mut from = Position(0);
        loop {
            let next = archive.scan(from, 37, &mut |archived| shown.push(archived.position)).wait();
            match next.expect("the archive can be read") {
                Some(next) => from = next,
                None => break,
            }
        }
        let expected: Vec<_> = self
            .log
            .iter()
            .filter(|(_, logged)| logged.sample.persistent)
            .map(|(position, _)| *position)
            .collect();
        assert_eq!(shown, expected, "seed and step {at:?}");
    }
}

fn user(n: usize) -> UserId {
    UserId::new(&format!("user{n}"))
}
