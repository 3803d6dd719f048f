//! Measures the embedded engine on this machine: CPU time (of all threads) and wall-clock time.
//!
//! `cargo run --release -p openim-storage --example measure -- DIR [append|store|open] …`
//! Works in a new folder under DIR and removes it; `start` only opens what lies in DIR itself. The figures in `docs/adr/0001-store.md` are its.

use std::path::Path;
use std::time::{Duration, Instant};

use openim_record::{InboxRun, PartitionId, Position, Seq, StoreBatch, UserId};
use openim_storage::conformance::Wait as _;
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::History as _;

const RECORD_BYTES: usize = 450;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".to_owned());
    let chosen: Vec<String> = arguments.collect();
    if chosen == ["start"] {
        return start(Path::new(&dir));
    }
    let dir = tempfile::tempdir_in(dir).expect("a folder to work in");
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    if wanted("append") {
        append(&dir.path().join("append"));
    }
    if wanted("store") {
        store(&dir.path().join("store"));
    }
    if wanted("open") {
        reopen(&dir.path().join("open"), 10_000_000);
    }
}

fn start(dir: &Path) {
    let (before, began) = (cpu(), Instant::now());
    let opened = open(dir, &Options::default()).expect("opens");
    let took = began.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    println!(
        "open {:.3} s, {:.3} s CPU within two seconds; head {}, {} KiB resident",
        took.as_secs_f64(),
        (cpu() - before).as_secs_f64(),
        opened.report.head,
        resident_kib(),
    );
}

/// CPU time of all threads of this process so far.
fn cpu() -> Duration {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("tasks are listed").flatten() {
        let spent = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += spent.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
    }
    Duration::from_nanos(total)
}

/// Bytes this process has caused to be written.
fn written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn us(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

fn percentile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3
}

fn record(number: u64, bytes: usize) -> Vec<u8> {
    let empty = encoded(Sample { content_bytes: 0, ..Sample::new(number) }).len();
    encoded(Sample { content_bytes: bytes.saturating_sub(empty), ..Sample::new(number) })
}

fn append(dir: &Path) {
    let mut opened = open(dir, &Options::default()).expect("opens");
    println!("empty engine: {} KiB resident", resident_kib());
    let records: Vec<_> = (0..1_000).map(|n| record(n, RECORD_BYTES)).collect();
    for (batch, rounds) in [(1, 5_000), (10, 4_000), (100, 3_000), (1_000, 1_000)] {
        let refs: Vec<&[u8]> = records[..batch].iter().map(Vec::as_slice).collect();
        let mut positions = Vec::new();
        let mut times = Vec::with_capacity(rounds);
        let (before, bytes, start) = (cpu(), written(), Instant::now());
        for round in 0..rounds {
            let began = Instant::now();
            conformance::append(&mut opened.log, &refs, round as i64, &mut positions)
                .expect("appended");
            times.push(began.elapsed());
        }
        let (spent, wall, count) = (cpu() - before, start.elapsed(), rounds * batch);
        println!(
            "append, batch {batch:4}: {:6.2} us CPU a record, {:7.1} a batch; p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms; {:.0} records/s, {} B written a record",
            us(spent, count),
            us(spent, rounds),
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.99),
            percentile(&mut times, 1.0),
            count as f64 / wall.as_secs_f64(),
            (written() - bytes) / count as u64,
        );
    }
}

/// Takes entries for `users` in turn out of `positions`; continues where each inbox is.
fn batch_of(users: u64, positions: &[Position], newest: &mut [u64], head: Position) -> StoreBatch {
    let mut runs: Vec<Vec<Position>> = vec![Vec::new(); users as usize];
    for (n, position) in positions.iter().enumerate() {
        // A stride, so that neighbours in the log are not neighbours in the index.
        runs[(n * 7_919) % users as usize].push(*position);
    }
    let mut batch = StoreBatch::default();
    for (n, positions) in runs.into_iter().enumerate().filter(|(_, run)| !run.is_empty()) {
        let first = Seq(newest[n] + 1);
        newest[n] += positions.len() as u64;
        batch.runs.push(InboxRun::new(UserId::new(&format!("user{n:07}")), first, positions));
    }
    batch.applied = (0..256).map(|n| (PartitionId(n), head)).collect();
    batch
}

fn store(dir: &Path) {
    for (users, rounds) in [(200, 300), (10_000, 200), (1_000_000, 200)] {
        let dir = dir.join(format!("users{users}"));
        let Embedded { mut log, history, .. } = open(&dir, &Options::default()).expect("opens");
        let records: Vec<_> = (0..1_000).map(|n| record(n, 120)).collect();
        let refs: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let mut newest = vec![0; users as usize];
        let (mut spent, mut bytes, mut times) = (Duration::ZERO, 0, Vec::new());
        let mut random = 1_u64;
        for round in 0..rounds {
            let mut all = Vec::new();
            for _ in 0..10 {
                let mut positions = Vec::new();
                conformance::append(&mut log, &refs, round, &mut positions).expect("appended");
                all.append(&mut positions);
            }
            if users > 10_000 {
                // Ten thousand of them at random.
                let mut batch = StoreBatch::default();
                let mut chosen: Vec<_> = (0..10_000)
                    .map(|_| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (random >> 33) % users
                    })
                    .collect();
                chosen.sort_unstable();
                chosen.dedup();
                for (user, position) in chosen.into_iter().zip(&all) {
                    newest[user as usize] += 1;
                    let user_id = UserId::new(&format!("user{user:07}"));
                    let first = Seq(newest[user as usize]);
                    batch.runs.push(InboxRun::new(user_id, first, vec![*position]));
                }
                batch.applied = (0..256).map(|n| (PartitionId(n), log.head())).collect();
                let (before, wrote, began) = (cpu(), written(), Instant::now());
                history.store(&batch).wait().expect("stored");
                times.push(began.elapsed());
                spent += cpu() - before;
                bytes += written() - wrote;
                continue;
            }
            let batch = batch_of(users, &all, &mut newest, log.head());
            let (before, wrote, began) = (cpu(), written(), Instant::now());
            history.store(&batch).wait().expect("stored");
            times.push(began.elapsed());
            spent += cpu() - before;
            bytes += written() - wrote;
        }
        let count = rounds as usize * 10_000;
        println!(
            "store of 10000 entries over {users} users: {:.2} us CPU an entry, {:.1} B written an entry; p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; {} KiB resident",
            us(spent, count),
            bytes as f64 / count as f64,
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.99),
            percentile(&mut times, 1.0),
            resident_kib(),
        );
        read(&*history, users, &newest);
    }
}

fn read(history: &dyn openim_storage::port::History, users: u64, newest: &[u64]) {
    let rounds = 5_000_u64;
    let mut found = 0;
    let before = cpu();
    for n in 0..rounds {
        let user = n * 7_919 % users;
        let newest = newest[user as usize];
        let from = 1 + (n * 31) % newest.saturating_sub(100).max(1);
        let user = UserId::new(&format!("user{user:07}"));
        let range =
            history.range(&user, Seq(from), Seq(from + 99), usize::MAX).wait().expect("read");
        found += range.entries.len();
    }
    println!(
        "  a range of up to 100 ({} found), with its records: {:.1} us CPU",
        found as u64 / rounds,
        us(cpu() - before, rounds as usize),
    );
    let uids: Vec<_> =
        (0..10_000).map(|n| UserId::new(&format!("user{:07}", n * 7_919 % users))).collect();
    let before = cpu();
    history.bounds(&uids).wait().expect("read");
    println!("  bounds: {:.2} us CPU a user", us(cpu() - before, uids.len()));
}

fn reopen(dir: &Path, messages: u64) {
    const USERS: u64 = 100_000;
    const BATCH: u64 = 1_000;
    const STORED_EVERY: u64 = 20;
    let mut newest = vec![0; USERS as usize];
    {
        let Embedded { mut log, history, .. } = open(dir, &Options::default()).expect("opens");
        let records: Vec<_> = (0..BATCH).map(|n| record(n, 0)).collect();
        let refs: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let (mut positions, mut waiting) = (Vec::new(), Vec::new());
        let start = Instant::now();
        for round in 0..messages / BATCH {
            conformance::append(&mut log, &refs, round as i64, &mut positions).expect("appended");
            // Two inboxes a message.
            waiting.extend(positions.iter().flat_map(|position| [*position; 2]));
            let last = round + 1 == messages / BATCH;
            if round % STORED_EVERY == STORED_EVERY - 1 && !last {
                history.store(&runs(&mut waiting, &mut newest, &mut log)).wait().expect("stored");
            }
        }
        println!(
            "{messages} messages in {:.1} s; {} KiB resident",
            start.elapsed().as_secs_f64(),
            resident_kib()
        );
        // What a killed process leaves: nothing is closed in order.
        copy(dir, &dir.with_extension("killed"));
    }
    for (what, dir) in [("closed", dir.to_owned()), ("killed", dir.with_extension("killed"))] {
        let (before, start) = (cpu(), Instant::now());
        let Embedded { mut tail, history, report, .. } =
            open(&dir, &Options::default()).expect("opens");
        let opened = start.elapsed();
        let applied =
            |number| history.recover(PartitionId(number)).wait().expect("recovers").applied;
        let from = (0..Options::default().partitions).map(applied).min();
        let mut replayed = 0;
        conformance::replay(&mut tail, from.unwrap_or_default(), &mut |_| {
            replayed += 1;
            std::ops::ControlFlow::Continue(())
        })
        .expect("replayed");
        println!(
            "{what}: open {:.3} s, with recovery and replay of {replayed} messages {:.3} s, {:.2} s CPU; {} segments; {} KiB resident",
            opened.as_secs_f64(),
            start.elapsed().as_secs_f64(),
            (cpu().saturating_sub(before)).as_secs_f64(),
            report.segments,
            resident_kib(),
        );
        read(&*history, USERS, &newest);
    }
}

fn runs(
    waiting: &mut Vec<Position>,
    newest: &mut [u64],
    log: &mut openim_storage::embedded::EmbeddedLog,
) -> StoreBatch {
    let users = newest.len() as u64;
    let mut by_user = std::collections::BTreeMap::<u64, Vec<Position>>::new();
    for (n, position) in waiting.drain(..).enumerate() {
        let user = (position.0 / 7 + n as u64 * 7_919) % users;
        by_user.entry(user).or_default().push(position);
    }
    let mut batch = StoreBatch::default();
    for (user, mut positions) in by_user {
        positions.dedup();
        let first = Seq(newest[user as usize] + 1);
        newest[user as usize] += positions.len() as u64;
        batch.runs.push(InboxRun::new(UserId::new(&format!("user{user:07}")), first, positions));
    }
    batch.applied = (0..256).map(|n| (PartitionId(n), log.head())).collect();
    batch
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).expect("copied");
        }
    }
}
