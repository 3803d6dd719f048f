//! What a delivery costs in CPU time, both sides together, over loopback within one process.
//!
//! `cargo run --release -p openim-delivery --example cost [DELIVERIES_A_CALL [BYTES [CALLS_UNDER_WAY]]]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_delivery::{Fronts, LaneOptions, Lanes, ServeOptions, Told, serve};
use openim_record::{Process, Seq, UserId};
use openim_transfer::Delivery;
use tokio::runtime::Handle;

const FRONT: Process = Process([1; 16]);
const FOR: Duration = Duration::from_secs(5);

struct Takes;

#[async_trait::async_trait]
impl Fronts for Takes {
    async fn tell(&self, _: Process, told: Told) -> Vec<u8> {
        match told {
            Told::Deliver(all) => vec![1; all.len()],
            Told::Settle(_) => Vec::new(),
        }
    }
}

/// CPU time of this process, in hundredths of a second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    fields[12].parse::<u64>().expect("user") + fields[13].parse::<u64>().expect("system")
}

/// Calls as often as it can; CPU microseconds a delivery, and how many there were.
fn run(deliveries: usize, mut call: impl FnMut()) -> (f64, usize) {
    let (began, ticks_before, mut calls) = (Instant::now(), ticks(), 0);
    while began.elapsed() < FOR {
        call();
        calls += deliveries;
    }
    ((ticks() - ticks_before) as f64 * 10_000.0 / calls as f64, calls)
}

/// A runtime of one thread, as each side has it.
fn beside<T: Send + 'static>(name: &str, run: impl Future<Output = T> + Send + 'static) -> Handle {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let handle = runtime.handle().clone();
    let named = std::thread::Builder::new().name(name.to_owned());
    named.spawn(move || runtime.block_on(run)).expect("a thread");
    handle
}

fn main() {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|number| number.parse().expect("a number")).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (deliveries, bytes, under_way) = (number(0, 100), number(1, 500), number(2, 4));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address").to_string();
    beside("gateway", async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        serve(listener, Arc::new(Takes), ServeOptions::default(), std::future::pending()).await
    });
    let lanes =
        Lanes::new(beside("transfer", std::future::pending::<()>()), LaneOptions::default());
    lanes.gateways(&[(FRONT, address)]);
    let delivery = |number| Delivery {
        uid: UserId::new("user-1234567"),
        seq: Seq(number),
        sync: false,
        member: None,
        except_platform: 0,
        sent_ms: 1_700_000_000_000,
        message: vec![7; bytes].into(),
    };
    let all: Vec<Delivery> = (0..deliveries as u64).map(delivery).collect();
    let (making, _) = run(deliveries, || drop(std::hint::black_box(all.clone())));
    let (free, places) = std::sync::mpsc::sync_channel(under_way);
    (0..under_way).for_each(|_| free.send(()).expect("a place"));
    let (whole, count) = run(deliveries, || {
        places.recv().expect("a place");
        let (told, free) = (Told::Deliver(all.clone()), free.clone());
        lanes.tell(FRONT, told, Box::new(move |_| free.send(()).unwrap_or_default()));
    });
    let cost = whole - making;
    let status = &lanes.status()[0];
    assert_eq!((status.late, status.refused, status.broken), (0, 0, 0), "all of it is answered");
    println!(
        "{deliveries} of {bytes} B a call, {under_way} calls under way: {cost:.3} us of CPU a delivery"
    );
    println!(
        "({count} in {} batches; making them cost {making:.3} us each besides)",
        status.batches
    );
}
