//! The register of processes on a real etcd.

use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use openim_cluster::Runtime;
use openim_cluster::etcd::{Member, Options, Register};
use openim_cluster::testing::Own;
use openim_record::Process;
use openim_storage::port::{StoreError, wait};

use crate::support::component;

/// A prefix that no other test, and no earlier run, has.
fn register(runtime: &Runtime, address: &str, test: &str) -> Register {
    let prefix = format!("/openim-test/{test}/{}", std::process::id());
    let endpoints = vec![address.to_owned()];
    let options =
        Options { endpoints, prefix, lease: Duration::from_secs(2), ..Options::default() };
    Register::open(runtime, options).expect("an address")
}

fn member(number: u8) -> Member {
    let address = format!("127.0.0.1:{number}");
    Member { process: Process([number; 16]), address, fronts: number.into() }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn who_registers_is_seen_until_it_leaves() {
    let Some(address) = component("OPENIM_TEST_ETCD") else { return };
    let runtime = Runtime::start(1).expect("a runtime");
    let register = register(&runtime, &address, "members");
    let mut gateways = register.watch("gateway");
    let nobody = runtime.begin(async move {
        let told = gateways.changed().await;
        (told.is_ok(), gateways)
    });
    let (told, gateways) = wait(nobody.answer()).expect("it runs");
    assert!(told && gateways.borrow().is_empty(), "that nobody is there is told too");
    let [a, b] = [1, 2].map(member);
    let first = register.register("gateway", &a);
    until("a is seen", || gateways.borrow()[..] == [a.clone()]);
    // Others may see it before it has its answer.
    until("a knows that it stands", || first.stands());
    let second = register.register("gateway", &b);
    let other = register.register("api", &a);
    until("both are seen, of their role alone", || gateways.borrow()[..] == [a.clone(), b.clone()]);
    // Longer than the lease: they are kept alive.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(gateways.borrow()[..], [a.clone(), b.clone()]);
    let here = wait(register.here("gateway")).expect("it answers");
    assert_eq!(here, [a.process, b.process]);
    drop(first);
    until("a has left", || gateways.borrow()[..] == [b.clone()]);
    // Who comes later sees the same.
    let later = register.watch("gateway");
    until("b is seen", || later.borrow()[..] == [b.clone()]);
    drop((second, other));
    until("nobody is left", || gateways.borrow().is_empty() && later.borrow().is_empty());
}

#[test]
fn a_prefix_belongs_to_one_cluster() {
    let Some(address) = component("OPENIM_TEST_ETCD") else { return };
    let runtime = Runtime::start(1).expect("a runtime");
    let register = register(&runtime, &address, "claim");
    for _ in 0..2 {
        wait(register.claim("ours")).expect("it is free, then ours");
    }
    let error = wait(register.claim("theirs")).expect_err("it is ours");
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().contains("cluster ours"), "{error}");
}

#[test]
fn an_etcd_that_is_away_is_said_with_its_address() {
    let runtime = Runtime::start(1).expect("a runtime");
    let register = register(&runtime, "http://127.0.0.1:1", "away");
    let error = wait(register.claim("ours")).expect_err("nobody is there");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let here = register.register("gateway", &member(1));
    assert!(!here.stands());
}

/// On an etcd of the test's own. A beat gives up after a second.
fn own_register(runtime: &Runtime, own: &Own, lease: Duration) -> Register {
    let endpoints = vec![own.address()];
    let call_timeout = Duration::from_secs(1);
    let options = Options { endpoints, lease, call_timeout, ..Options::default() };
    Register::open(runtime, options).expect("an address")
}

#[test]
fn an_etcd_that_is_away_for_less_than_the_lease_costs_nobody_its_entry() {
    let Some(own) = Own::up("etcd") else { return };
    let runtime = Runtime::start(1).expect("a runtime");
    let lease = Duration::from_secs(15);
    let register = own_register(&runtime, &own, lease);
    let gateways = register.watch("gateway");
    let a = member(1);
    let here = register.register("gateway", &a);
    until("a is seen", || here.stands() && gateways.borrow()[..] == [a.clone()]);
    thread::scope(|scope| {
        let away = scope.spawn(|| {
            // There is a beat each 5 s, so one of them has no answer in its second.
            own.stall(6.5);
            own.kill();
            own.start_again();
            // Longer than what was left of the lease.
            thread::sleep(lease);
        });
        while !away.is_finished() {
            assert!(here.stands(), "it is said not to stand");
            assert_eq!(&gateways.borrow()[..], slice::from_ref(&a));
            thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn an_etcd_that_is_away_for_longer_than_the_lease_is_told_and_the_entry_comes_back() {
    let Some(own) = Own::up("etcd") else { return };
    let runtime = Runtime::start(1).expect("a runtime");
    let register = own_register(&runtime, &own, Duration::from_secs(2));
    let gateways = register.watch("gateway");
    let a = member(1);
    let here = register.register("gateway", &a);
    until("a is seen", || here.stands() && gateways.borrow()[..] == [a.clone()]);
    let stalled = own.stalled();
    until("the entry does not stand", || !here.stands());
    assert_eq!(&gateways.borrow()[..], slice::from_ref(&a), "the last list stands");
    drop(stalled);
    until("the entry stands again", || here.stands() && gateways.borrow()[..] == [a.clone()]);
    own.kill();
    until("the entry does not stand", || !here.stands());
    own.start_again();
    until("the entry stands again", || here.stands());
    let later = register.watch("gateway");
    until("a is seen", || later.borrow()[..] == [a.clone()]);
    drop(here);
    until("a has left", || later.borrow().is_empty() && gateways.borrow().is_empty());
}
