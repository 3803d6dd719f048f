//! A disk that fails, tears, delays, is full, or loses its power at the n-th call: wherever that is, in a start, in one that
//! makes the index anew or takes over older data, while a base is written, in the middle of changes and messages.
//! What was answered is there, once, under its number; what was not is there whole or not at all; a tip is there exactly when its
//! change is.
//!
//! The calls are counted in a process of its own, which has `disk/disk.c` preloaded. `OPENIM_TEST_DISK_RUNS` says how many places are tried
//! of each kind (`all`: every call), `OPENIM_TEST_DISK_SEED` which.

#[path = "disk/child.rs"]
mod child;
#[path = "disk/disk.rs"]
mod disk;

use std::fs;
use std::path::Path;

use child::{Acks, Books};
use disk::{Disk, Fault};
use openim_storage::conformance;

/// Where a run begins.
const SCENARIOS: [&str; 5] = ["fresh", "used", "rebuild", "gone", "earlier"];

/// Numbers that a seed gives.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn seed() -> u64 {
    std::env::var("OPENIM_TEST_DISK_SEED").map_or(1, |seed| seed.parse().expect("a number"))
}

/// Of so many calls, those at which something is tried.
fn places(calls: usize, each: usize, dice: &mut Dice) -> Vec<usize> {
    match std::env::var("OPENIM_TEST_DISK_RUNS").as_deref() {
        Ok("all") => (1..=calls).collect(),
        Ok(number) => {
            let runs: usize = number.parse().expect("a number, or all");
            (0..runs.min(calls)).map(|_| 1 + dice.roll(calls)).collect()
        }
        Err(_) => (0..each.min(calls)).map(|_| 1 + dice.roll(calls)).collect(),
    }
}

/// A data directory in which a run begins, and what is known to be in it.
fn begun(disk: &Disk, scenario: &str) -> Books {
    let mut books = Books::default();
    if scenario == "fresh" {
        return books;
    }
    let acks = disk.run(&Fault::none(), &books);
    assert!(acks.ended, "{scenario}: {acks:?}");
    books.take(&acks);
    let data = disk.data();
    match scenario {
        "rebuild" => fs::write(data.join("rebuild"), "ordered\n").expect("written"),
        "gone" => fs::remove_dir_all(data.join("index")).expect("removed"),
        "earlier" => earlier(&data),
        _ => {}
    }
    books
}

/// Makes the data one of the form before, which is taken over.
fn earlier(data: &Path) {
    conformance::earlier_form(data);
    fs::remove_file(data.join("base")).ok();
}

/// The process that the others start.
#[test]
fn child() {
    if std::env::var_os("DISK_CHILD").is_some() {
        child::run();
    }
}

/// The disk goes on working afterwards, or the process is started again.
fn errors(whats: &[&str]) {
    let mut dice = Dice::new(seed());
    for scenario in SCENARIOS {
        let template = Disk::new();
        let books = begun(&template, scenario);
        let calls = template.copied().count("wsm", "", &books);
        for what in whats {
            for at in places(calls, 3, &mut dice) {
                let case = format!("{scenario}, {what} at call {at} of {calls}");
                let disk = template.copied();
                let acks = disk.run(&Fault { what, at, calls: "wsm", part: "" }, &books);
                let mut books = books.clone();
                books.take(&acks);
                books.check(&disk.data(), &case);
            }
        }
    }
}

#[test]
fn a_call_that_fails_costs_nothing_that_was_answered() {
    errors(&["fail", "full", "tear"]);
}

#[test]
fn a_disk_that_fails_for_good_costs_nothing_that_was_answered() {
    errors(&["broken"]);
}

#[test]
fn a_call_that_takes_long_or_is_done_in_part_is_none_that_failed() {
    let mut dice = Dice::new(seed());
    for scenario in SCENARIOS {
        let template = Disk::new();
        let books = begun(&template, scenario);
        let calls = template.copied().count("ws", "", &books);
        for what in ["slow", "short"] {
            for at in places(calls, 2, &mut dice) {
                let case = format!("{scenario}, {what} at call {at} of {calls}");
                let disk = template.copied();
                let acks = disk.run(&Fault { what, at, calls: "ws", part: "" }, &books);
                assert!(acks.ended && acks.failed.is_empty(), "{case}: {acks:?}");
                let mut books = books.clone();
                books.take(&acks);
                books.check(&disk.data(), &case);
            }
        }
    }
}

/// Whatever of the index or a base fails while the server runs: messages go on.
#[test]
fn errors_of_the_index_end_no_messages() {
    let mut dice = Dice::new(seed());
    let template = Disk::new();
    let books = begun(&template, "used");
    for part in ["/index/", "/base", "/commits"] {
        let calls = template.copied().count("wsm", part, &books);
        for what in ["fail", "broken", "full", "away"] {
            for at in places(calls, 3, &mut dice) {
                let case = format!("{what} at call {at} of {calls} on {part}");
                let disk = template.copied();
                let acks = disk.run(&Fault { what, at, calls: "wsm", part }, &books);
                // A start may be refused, in one line; what has started takes messages to the end.
                if acks.opened {
                    assert!(acks.ended, "{case}: {acks:?}");
                    let refused = acks.failed.iter().find(|number| child::is_message(**number));
                    assert_eq!(refused, None, "{case}: {acks:?}");
                    // What works again after a while has everything, in the same process.
                    let lasts = what == "broken" || acks.failed.is_empty();
                    assert!(lasts, "{case}: {acks:?}");
                }
                let mut books = books.clone();
                books.take(&acks);
                books.check(&disk.data(), &case);
            }
        }
    }
}

/// What a power cut leaves: all that was flushed, and of the rest any sectors and any names.
fn power_cuts(what: &str, calls_of: &str, each: usize) {
    let mut dice = Dice::new(seed());
    for scenario in SCENARIOS {
        let template = Disk::new();
        let books = begun(&template, scenario);
        let calls = template.copied().count(calls_of, "", &books);
        for at in places(calls, each, &mut dice) {
            let disk = template.copied();
            disk.shadow();
            let acks = disk.run(&Fault { what, at, calls: calls_of, part: "" }, &books);
            let mut books = books.clone();
            books.take(&acks);
            for torn in [false, true] {
                let case = format!("{scenario}, {what} at call {at} of {calls}, torn: {torn}");
                let left = disk.after_the_cut(torn, &mut dice);
                books.clone().check(left.path(), &case);
            }
        }
    }
}

#[test]
fn a_power_cut_before_any_call_leaves_what_was_answered() {
    power_cuts("die", "wsm", 4);
}

#[test]
fn a_power_cut_within_a_write_leaves_what_was_answered() {
    power_cuts("torn", "w", 2);
}

/// Nobody can find what a disk has promised and not kept. What is left is used, or refused in one line.
#[test]
fn a_disk_that_lies_about_flushes_leaves_a_beginning_or_is_named() {
    let mut dice = Dice::new(seed());
    for scenario in ["fresh", "used", "gone"] {
        let template = Disk::new();
        let books = begun(&template, scenario);
        let calls = template.copied().count("s", "", &books);
        for at in places(calls, 3, &mut dice) {
            let disk = template.copied();
            disk.shadow();
            let acks = disk.run(&Fault { what: "lie", at, calls: "s", part: "" }, &books);
            let mut books = books.clone();
            books.take(&acks);
            let case = format!("{scenario}, a lie at flush {at} of {calls}");
            let left = disk.after_the_cut(false, &mut dice);
            books.check_beginning(left.path(), &case);
        }
    }
}

/// One life after the other on the same data: power cuts between any two calls, the index damaged or thrown away, an index
/// ordered anew, bases; everything that was ever answered is there at the end of each.
#[test]
fn lives_that_end_anywhere_lose_nothing() {
    let seeds = std::env::var("OPENIM_TEST_DISK_LIVES")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(3);
    for seed in seed()..seed() + seeds {
        let mut dice = Dice::new(seed);
        let (mut disk, mut books) = (Disk::new(), Books::default());
        for life in 0..8 {
            let calls = disk.copied().count("wsm", "", &books);
            let what = ["die", "torn", "broken", "fail"][dice.roll(4)];
            let kinds = if what == "torn" { "w" } else { "wsm" };
            let at = 1 + dice.roll(calls + calls / 4);
            disk.shadow();
            let acks: Acks = disk.run(&Fault { what, at, calls: kinds, part: "" }, &books);
            books.take(&acks);
            let left = disk.after_the_cut(dice.roll(2) == 0, &mut dice);
            let damage = damage(left.path(), &mut dice);
            let case = format!("seed {seed}, life {life}: {what} at {at} of {calls}, {damage}");
            disk = Disk::of(left);
            // The next one begins where nobody has looked yet.
            let looked = disk.copied();
            books.check(&looked.data(), &case);
            println!("{case}: {} answered", books.answered());
        }
    }
}

fn damage(data: &Path, dice: &mut Dice) -> &'static str {
    let index = data.join("index");
    match dice.roll(5) {
        0 => {
            fs::remove_dir_all(index).ok();
            "the index gone"
        }
        1 if index.exists() => {
            fs::write(data.join("rebuild"), "ordered\n").expect("written");
            "a new index ordered"
        }
        2 if index.exists() => {
            let all = conformance::files(&index);
            if all.is_empty() {
                return "nothing";
            }
            let file = &all[dice.roll(all.len())];
            let mut bytes = fs::read(file).expect("read");
            if bytes.is_empty() {
                return "nothing";
            }
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
            fs::write(file, bytes).expect("written");
            "a bit of the index flipped"
        }
        _ => "nothing",
    }
}
