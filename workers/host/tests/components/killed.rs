//! Transfers that end at any time.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use openim_record::{Seq, Topic};

use crate::support::{Addresses, Place, content, until};

/// Names the place of a transfer that is a process of its own.
const PLACE: &str = "OPENIM_TEST_HOST_PLACE";

/// Users of a load, and sends of it.
const USERS: usize = 20;
const SENDS: usize = 600;

/// Sends, every tenth of them twice; what each inbox must hold then.
#[derive(Default)]
pub(crate) struct Load {
    inboxes: BTreeMap<String, Vec<String>>,
    number: usize,
}

impl Load {
    /// So many more.
    pub(crate) fn send(&mut self, place: &Place, sends: usize) {
        let mut records: Vec<(Topic, String, Box<[u8]>)> = Vec::new();
        for _ in 0..sends {
            let n = self.number;
            self.number += 1;
            let (from, to) = (user(n * 7), user(n * 7 + 1 + n % (USERS - 1)));
            let id = format!("m{n}");
            for uid in [&from, &to] {
                let inbox = self.inboxes.entry(uid.clone()).or_default();
                inbox.push(content(&from, &to, &id));
            }
            for _ in 0..if n.is_multiple_of(10) { 2 } else { 1 } {
                let (topic, record) = place.sent(&from, &to, &id);
                records.push((topic, from.clone(), record));
            }
        }
        for some in records.chunks(50) {
            let some = some.iter().map(|(topic, home, record)| (*topic, &home[..], record.clone()));
            place.produce_all(some);
        }
    }

    /// Each inbox holds each of its messages once.
    pub(crate) fn check(&self, place: &Place) {
        let history = place.history();
        for (uid, expected) in &self.inboxes {
            let mut inbox = place.inbox_of(&history, uid, expected.len());
            let mut expected = expected.clone();
            inbox.sort_unstable();
            expected.sort_unstable();
            assert_eq!(inbox, expected, "{uid}");
        }
    }
}

fn user(n: usize) -> String {
    format!("user{}", n % USERS)
}

#[test]
fn another_takes_over_where_one_is_killed() {
    let Some(place) = Place::new() else { return };
    let mut load = Load::default();
    let mut transfer = place.transfer();
    for _ in 0..3 {
        load.send(&place, SENDS / 3);
        until("it is at work", || transfer.status().counts.stores > 0);
        // Where it stands.
        drop(transfer);
        transfer = place.transfer();
    }
    load.check(&place);
    transfer.stop();
}

#[test]
fn two_share_the_partitions_and_one_goes_on_alone() {
    let Some(place) = Place::new() else { return };
    let mut load = Load::default();
    let first = place.transfer();
    load.send(&place, SENDS / 3);
    let second = place.transfer();
    load.send(&place, SENDS / 3);
    until("the second has some", || !second.status().owned.is_empty());
    first.stop();
    load.send(&place, SENDS / 3);
    load.check(&place);
    second.stop();
}

#[test]
fn a_stale_one_and_a_new_one_write_the_same() {
    let Some(place) = Place::new() else { return };
    let mut load = Load::default();
    let both = [place.transfer(), place.transfer_of("stale")];
    for _ in 0..10 {
        load.send(&place, SENDS / 10);
    }
    load.check(&place);
    for one in &both {
        until("it comes to rest", || {
            let status = one.status();
            assert_eq!(status.stopped, [], "nothing stands still");
            status.loading == 0 && status.oldest_ms.is_none() && status.relays_waiting == 0
        });
    }
    // Relays came twice; no inbox has.
    load.check(&place);
    both.into_iter().for_each(openim_host::Running::stop);
}

/// Ends with the value, as if the power went.
struct Killed(Child);

impl Killed {
    fn start(place: &Place) -> Self {
        let program = std::env::current_exe().expect("a program");
        let mut command = Command::new(program);
        command.args(["--exact", "killed::a_process_of_its_own", "--ignored"]);
        command.env(PLACE, &place.name).stdout(Stdio::null());
        Self(command.spawn().expect("it starts"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("it is there");
        self.0.wait().expect("it has ended");
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
#[ignore = "no test: the process that another one kills"]
fn a_process_of_its_own() {
    let (Ok(name), Some(addresses)) = (std::env::var(PLACE), Addresses::given()) else { return };
    let place = Place::named(addresses, name);
    let _transfer = place.transfer();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_process_that_is_killed_leaves_nothing_half_done() {
    let Some(place) = Place::new() else { return };
    let mut load = Load::default();
    let history = place.history();
    let mut before = Seq(0);
    for _ in 0..3 {
        let mut process = Killed::start(&place);
        load.send(&place, SENDS / 3);
        until("it is at work", || place.newest(&history, &user(0)) > before);
        process.kill();
        before = place.newest(&history, &user(0));
    }
    let transfer = place.transfer();
    load.check(&place);
    transfer.stop();
}
