//! Stage 10: a batch of inbox entries stored in the embedded engine's index. Times are per batch.

mod settings;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use openim_bench::record;
use openim_record::{InboxRun, PartitionId, Position, Seq, StoreBatch, UserId};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{History as _, wait};

const USERS: usize = 200;
/// Each message is in two inboxes.
const ENTRIES_PER_USER: usize = 10;
const PARTITIONS: u16 = 256;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let folder = settings::folder();
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    let mut engine = open(folder.path(), &options).expect("an empty folder opens");
    let mut rounds = 0;
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements((USERS * ENTRIES_PER_USER) as u64));
    group.bench_function("batch_of_200_users", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let batch = next_batch(&mut engine, rounds);
                rounds += 1;
                let began = Instant::now();
                wait(engine.history.store(&batch)).expect("stored");
                spent += began.elapsed();
            }
            spent
        });
    });
    group.finish();
}

/// Appends messages and gives their entries, ten more for every user.
fn next_batch(engine: &mut Embedded, round: u64) -> StoreBatch {
    let messages = USERS * ENTRIES_PER_USER / 2;
    let records: Vec<_> = (0..messages as u64).map(|number| record(number, 0)).collect();
    let mut positions = Vec::new();
    settings::land(&mut engine.log, &settings::handed(&records), 0, &mut positions);
    let mut runs: Vec<Vec<Position>> = vec![Vec::new(); USERS];
    for (number, &position) in positions.iter().enumerate() {
        let receiver = number * 7 % USERS;
        runs[receiver].push(position);
        runs[(receiver + 1) % USERS].push(position);
    }
    let run = |(number, positions): (usize, Vec<Position>)| {
        let first = Seq(round * positions.len() as u64 + 1);
        InboxRun::new(UserId::new(&format!("user{number:07}")), first, positions)
    };
    let head = engine.log.head();
    StoreBatch {
        runs: runs.into_iter().enumerate().map(run).collect(),
        applied: (0..PARTITIONS).map(|number| (PartitionId(number), head)).collect(),
        ..StoreBatch::default()
    }
}
