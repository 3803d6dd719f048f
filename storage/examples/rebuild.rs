//! Measures how long an index is made anew on this machine, and how much memory that takes.
//!
//! `cargo run --release -p openim-storage --example rebuild -- make DIR MESSAGES USERS` fills a data directory;
//! `… -- rebuild DIR MESSAGES USERS` removes its index, opens it, and stores what inboxes lack from the log, as a start does.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use openim_record::{
    Class, InboxRun, Newest, PartitionId, Position, Scope, Seq, StoreBatch, TokenId, UserId,
};
use openim_storage::conformance::{self, Sample, Wait as _, encoded};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{Directory as _, History as _, IssuedToken, Tokens as _, User};

const AT_ONCE: usize = 500;
const CONTENT_BYTES: usize = 150;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().expect("make or rebuild");
    let dir = PathBuf::from(arguments.next().expect("a data directory"));
    let mut number = || arguments.next().and_then(|n| n.parse().ok()).expect("a number");
    let (messages, users): (usize, usize) = (number(), number());
    match what.as_str() {
        "make" => make(&dir, messages, users),
        _ => rebuild(&dir, users),
    }
}

fn uid(n: usize) -> UserId {
    UserId::new(&format!("user{n:07}"))
}

/// Who gets the message that lies in the log as the n-th.
fn pair(n: usize, users: usize) -> [usize; 2] {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (a, b) = (mixed as usize % users, (mixed >> 20) as usize % users);
    if a == b { [a, (a + 1) % users] } else { [a, b] }
}

fn make(dir: &Path, messages: usize, users: usize) {
    let mut storage = open(dir, &Options::default()).expect("opens");
    for first in (0..users).step_by(AT_ONCE) {
        let profile = |n| User {
            uid: uid(n),
            name: format!("name of {n}"),
            icon: "https://example.com/face.png".to_owned(),
            gender: 1,
            mobile: String::new(),
            birth: String::new(),
            email: String::new(),
            ex: String::new(),
            create_ms: 1,
        };
        let ids = first..users.min(first + AT_ONCE);
        let profiles: Vec<_> = ids.clone().map(profile).collect();
        storage.directory.register(&profiles).wait().expect("registered");
        let newest = Newest { id: TokenId([1; 16]), issued_at: 1, expires_at: None };
        let token =
            |n| IssuedToken { user: uid(n), class: Class::Mobile, newest, scope: Scope::Class };
        storage.tokens.issue(&ids.map(token).collect::<Vec<_>>()).wait().expect("issued");
    }
    let mut inboxes = Inboxes::default();
    for first in (0..messages).step_by(AT_ONCE) {
        let sample = |n| Sample { content_bytes: CONTENT_BYTES, ..Sample::new(n as u64) };
        let records: Vec<_> =
            (first..messages.min(first + AT_ONCE)).map(|n| encoded(sample(n))).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let mut at = Vec::new();
        conformance::append(&mut storage.log, &records, 1_000, &mut at).expect("appended");
        at.iter().enumerate().for_each(|(n, at)| inboxes.add(pair(first + n, users), *at));
        if first % 10_000 == 0 {
            inboxes.store(&storage);
            storage.history.settle().wait().expect("settled");
        }
    }
    inboxes.store(&storage);
    println!("made: the log ends at {}", storage.log.head());
}

fn rebuild(dir: &Path, users: usize) {
    let base = std::fs::metadata(dir.join("base")).map_or(0, |base| base.len());
    std::fs::remove_dir_all(dir.join("index")).expect("removed");
    let began = Instant::now();
    let mut storage = open(dir, &Options::default()).expect("opens");
    let opened = began.elapsed();
    let from = storage.history.recover(PartitionId(0)).wait().expect("recovered").applied;
    let mut inboxes = Inboxes::default();
    let bounds = |storage: &Embedded| {
        let all: Vec<_> = (0..users).map(uid).collect();
        storage.history.bounds(&all).wait().expect("read")
    };
    for (n, bounds) in bounds(&storage).into_iter().enumerate() {
        inboxes.next.insert(n, bounds.newest.next());
    }
    // What is in the log is not who it is for here: it is told by its number.
    let mut tail = storage.tail;
    let (mut number, mut brought) = (0, 0);
    conformance::replay(&mut tail, from, &mut |record| {
        if let Some(n) = number_of(record.record) {
            (number, brought) = (n, brought + 1);
            inboxes.add(pair(number, users), record.position);
        }
        if inboxes.held >= 10_000 {
            inboxes.store_in(&storage.history, Position(record.position.0 + 1));
        }
        ControlFlow::Continue(())
    })
    .expect("replayed");
    inboxes.store_in(&storage.history, storage.log.head());
    storage.tail = tail;
    let all = began.elapsed();
    let entries: u64 = bounds(&storage).iter().map(|bounds| bounds.newest.0).sum();
    println!(
        "opened after {:.1} s with a base of {base} bytes, {brought} messages of the log after {:.1} s; {entries} entries; {} KiB resident at most",
        opened.as_secs_f64(),
        all.as_secs_f64(),
        resident_kib()
    );
}

/// The number in a message's `clientMsgID`.
fn number_of(record: &[u8]) -> Option<usize> {
    openim_record::Message::decode(record).ok()?.client_msg_id.strip_prefix('m')?.parse().ok()
}

#[derive(Default)]
struct Inboxes {
    next: HashMap<usize, Seq>,
    runs: HashMap<usize, (Seq, Vec<Position>)>,
    held: usize,
}

impl Inboxes {
    fn add(&mut self, users: [usize; 2], at: Position) {
        for user in users {
            let next = self.next.entry(user).or_insert(Seq(1));
            self.runs.entry(user).or_insert_with(|| (*next, Vec::new())).1.push(at);
            *next = next.next();
            self.held += 1;
        }
    }

    fn store(&mut self, storage: &Embedded) {
        self.store_in(&storage.history, storage.log.head());
    }

    fn store_in(&mut self, history: &openim_storage::embedded::EmbeddedHistory, head: Position) {
        let runs = self.runs.drain().map(|(user, (first, at))| InboxRun::new(uid(user), first, at));
        let applied = (0..256).map(|number| (PartitionId(number), head)).collect();
        let batch = StoreBatch { runs: runs.collect(), applied, ..StoreBatch::default() };
        history.store(&batch).wait().expect("stored");
        self.held = 0;
    }
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
