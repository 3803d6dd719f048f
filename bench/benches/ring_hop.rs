//! The way between two shards: a value through a ring, on one thread and between two.

mod settings;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use openim_bus::{Capacity, Doorbell, Receiver, Sender, ring};

/// What a request between shards takes, about.
type Value = [u64; 8];

const CAPACITY: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring_hop");
    group.bench_function("one_thread", |bencher| {
        let ([_, _], mut sender, mut receiver) = rung();
        bencher.iter(|| {
            let pushed = sender.try_send(black_box([7; 8]));
            sender.notify();
            pushed.expect("the ring was empty");
            receiver.try_recv().expect("just pushed")
        });
    });
    group.bench_function("two_threads", |bencher| bencher.iter_custom(between_threads));
    group.finish();
}

fn rung() -> ([Arc<Doorbell>; 2], Sender<Value>, Receiver<Value>) {
    let bells = [(); 2].map(|()| Arc::new(Doorbell::new().expect("a descriptor is free")));
    let (sender, receiver) = ring(
        Capacity { values: CAPACITY, bytes: usize::MAX, weigh: |_| 0 },
        Arc::clone(&bells[0]),
        Arc::clone(&bells[1]),
    );
    (bells, sender, receiver)
}

/// A stream of values from one thread to another, each asleep whenever there is nothing to do.
fn between_threads(values: u64) -> Duration {
    let ([own_bell, other_bell], mut sender, mut receiver) = rung();
    let producer = std::thread::spawn(move || {
        let began = Instant::now();
        for number in 0..values {
            let mut value = [number; 8];
            while let Err(back) = sender.try_send(value) {
                value = back;
                sender.notify();
                own_bell.wait(PATIENCE, || sender.room() > 0);
            }
            sender.notify();
        }
        began
    });
    let mut expected = 0;
    while expected < values {
        if let Some([number, ..]) = receiver.try_recv() {
            assert_eq!(number, expected, "in order, none lost");
            expected += 1;
        } else {
            receiver.made_room();
            other_bell.wait(PATIENCE, || !receiver.is_empty());
        }
    }
    let ended = Instant::now();
    ended - producer.join().expect("the producer only sends")
}
