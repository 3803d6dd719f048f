//! Stage 6: to whom a send belongs, and its identity.

mod settings;

use std::hint::black_box;

use criterion::Criterion;
use openim_bench::{CLIENT_MSG_ID, RECEIVER, SENDER};
use openim_record::{MessageKey, Placement};

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let placement = Placement::new(256);
    let key = MessageKey::new(SENDER, 1, RECEIVER, CLIENT_MSG_ID);
    let mut group = criterion.benchmark_group("route");
    group.bench_function("home", |bencher| {
        bencher.iter(|| placement.home(black_box(RECEIVER), 2));
    });
    group.bench_function("message_key", |bencher| {
        bencher.iter(|| MessageKey::new(black_box(SENDER), 1, RECEIVER, CLIENT_MSG_ID));
    });
    group.bench_function("server_msg_id", |bencher| {
        let mut out = String::new();
        bencher.iter(|| {
            out.clear();
            black_box(key).write_server_id(SENDER, &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}
