//! Stage 7: records made durable in the embedded engine's log. Times are per record.

mod settings;

use std::time::Instant;

use criterion::{BenchmarkId, Criterion};
use openim_bench::record;
use openim_storage::embedded::{Options, open};

const RECORD_BYTES: usize = 450;

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let folder = settings::folder();
    let mut engine = open(folder.path(), &Options::default()).expect("an empty folder opens");
    let records: Vec<_> = (0..1000).map(|number| record(number, RECORD_BYTES)).collect();
    let mut group = criterion.benchmark_group("append");
    for batch in [1_usize, 100, 1000] {
        let handed = settings::handed(&records[..batch]);
        let mut positions = Vec::new();
        let mut now_ms = 0;
        group.bench_function(BenchmarkId::new("record_of_batch", batch), |bencher| {
            bencher.iter_custom(|iterations| {
                let batches = iterations.div_ceil(batch as u64);
                let began = Instant::now();
                for _ in 0..batches {
                    now_ms += 1;
                    positions.clear();
                    settings::land(&mut engine.log, &handed, now_ms, &mut positions);
                }
                let appended = batches * batch as u64;
                began.elapsed().mul_f64(iterations as f64 / appended as f64)
            });
        });
    }
    group.finish();
}
