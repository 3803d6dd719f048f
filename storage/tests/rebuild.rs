//! The index is a cache: whatever happens to it, a start makes it again from the base and the log. Nothing is lost, no
//! number changes, no bound falls back, no token comes back to life.

#[path = "everything/mod.rs"]
mod everything;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use everything::{Dice, Model, options, profile};
use openim_storage::conformance::{self, Sample, Wait as _, encoded};
use openim_storage::embedded::{Embedded, Options, open};
use openim_storage::port::{Directory as _, History as _};

/// Does something to the index, and says what.
fn damage(dir: &Path, older: &Path, dice: &mut Dice) -> String {
    let index = dir.join("index");
    let all = conformance::files(&index);
    let file = &all[dice.roll(all.len())];
    match dice.roll(6) {
        0 => {
            fs::remove_dir_all(&index).expect("removed");
            "gone".to_owned()
        }
        1 => {
            fs::remove_file(file).expect("removed");
            format!("{} gone", file.display())
        }
        2 => {
            let bytes = fs::metadata(file).expect("read").len();
            let length = dice.roll(bytes as usize + 1) as u64;
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .expect("open")
                .set_len(length)
                .expect("cut");
            format!("{} cut to {length} of {bytes}", file.display())
        }
        3 if older.join("index").exists() => {
            fs::remove_dir_all(&index).expect("removed");
            conformance::copy(&older.join("index"), &index);
            "an older copy".to_owned()
        }
        4 => {
            let other = tempfile::tempdir().expect("a directory");
            let storage = open(other.path(), &options(1 << 30)).expect("opens");
            storage.directory.register(&[profile(1)]).wait().expect("registered");
            drop(storage);
            fs::remove_dir_all(&index).expect("removed");
            conformance::copy(&other.path().join("index"), &index);
            "another server's".to_owned()
        }
        _ => {
            let bytes = fs::read(file).expect("read");
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if end == 0 {
                return "nothing".to_owned();
            }
            let at = dice.roll(end);
            let file_open = fs::OpenOptions::new().write(true).open(file).expect("open");
            file_open.write_all_at(&[bytes[at] ^ (1 << dice.roll(8))], at as u64).expect("written");
            format!("{} flipped at {at}", file.display())
        }
    }
}

fn live(seed: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let older = tempfile::tempdir().expect("a directory");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let options = options([4 << 10, 24 << 10, 1 << 30][dice.roll(3)]);
    let mut model = Model { now_ms: 1_000, ..Model::default() };
    let mut case = "begun".to_owned();
    for _round in 0..6 {
        let mut storage = match open(dir.path(), &options) {
            Ok(storage) => storage,
            Err(error) => panic!("seed {seed}: {case}: {error}"),
        };
        model.store(&storage);
        let case_now = format!("seed {seed}: {case}");
        model.check(&storage, &case_now);
        model.mins_are(&storage, &case_now);
        for _ in 0..60 + dice.roll(100) {
            model.act(&mut storage, &mut dice);
        }
        if dice.roll(2) == 0 {
            model.retain(&storage);
        }
        if dice.roll(2) == 0 {
            model.store(&storage);
            storage.history.settle().wait().expect("settled");
        }
        model.look(&storage);
        if dice.roll(3) == 0 {
            fs::remove_dir_all(older.path()).expect("removed");
            // As a kill leaves it.
            conformance::copy(dir.path(), older.path());
        }
        drop(storage);
        case = damage(dir.path(), older.path(), &mut dice);
    }
}

#[test]
fn whatever_happens_to_the_index_everything_is_there() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 1..=seeds.unwrap_or(4) {
        live(seed);
    }
}

/// A data directory with a little of everything, whose log begins later than at 0 where `cut`, and what is in it.
fn filled(cut: bool) -> (tempfile::TempDir, Model) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = open(dir.path(), &options(1 << 30)).expect("opens");
    let mut model = Model { now_ms: 1_000, keeps: !cut, ..Model::default() };
    let mut dice = Dice(77);
    for _ in 0..300 {
        model.act(&mut storage, &mut dice);
    }
    if cut {
        let before = conformance::files(&dir.path().join("log"));
        model.now_ms += 100;
        model.retain(&storage);
        assert!(before.iter().any(|file| !file.exists()), "something of the log is gone");
        let mut dice = Dice(78);
        (0..100).for_each(|_| model.act(&mut storage, &mut dice));
    }
    model.look(&storage);
    (dir, model)
}

#[track_caller]
fn is_whole(dir: &Path, model: &Model, case: &str) {
    let storage = open(dir, &options(1 << 30)).unwrap_or_else(|error| panic!("{case}: {error}"));
    model.store(&storage);
    model.check(&storage, case);
    // Where the base was damaged another one is being written.
    let is_written = || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        storage.figures.base_trouble().is_none() && !dir.join("base.new").exists()
    };
    assert!((0..3_000).any(|_| is_written()), "{case}: base.new is left");
    for left in ["index.damaged", "index.new", "rebuild"] {
        assert!(!dir.join(left).exists(), "{case}: {left} is left");
    }
}

#[track_caller]
fn is_refused(dir: &Path, needles: &[&str]) {
    for _again in 0..2 {
        let line = open(dir, &options(1 << 30)).err().expect("refused").to_string();
        assert!(!line.contains('\n'), "one line: {line}");
        needles.iter().for_each(|needle| assert!(line.contains(needle), "{needle}: {line}"));
    }
}

#[test]
fn a_start_goes_on_where_one_that_made_an_index_was_cut_short() {
    let (dir, model) = filled(true);
    let dir = dir.path();
    let keep = tempfile::tempdir().expect("a directory");
    conformance::copy(dir, keep.path());
    let restore = |part: &str| {
        fs::remove_dir_all(dir.join(part)).ok();
        fs::remove_file(dir.join(part)).ok();
        let from = keep.path().join(part);
        if from.is_dir() {
            conformance::copy(&from, &dir.join(part))
        } else {
            drop(fs::copy(from, dir.join(part)))
        }
    };
    let garbage = |part: &str| {
        fs::create_dir_all(dir.join(part).join("keyspaces")).expect("made");
        fs::write(dir.join(part).join("0.jnl"), b"garbage").expect("written");
    };
    fs::write(dir.join("base.new"), b"cut short").expect("written");
    is_whole(dir, &model, "while a base was written");
    garbage("index.new");
    fs::write(dir.join("rebuild"), "ordered\n").expect("written");
    is_whole(dir, &model, "while the new index was filled");
    fs::rename(dir.join("index"), dir.join("index.damaged")).expect("moved");
    garbage("index.new");
    is_whole(dir, &model, "before the new one had its name");
    let rebuilt = |dir: &Path| {
        fs::remove_dir_all(dir.join("index")).expect("removed");
        drop(open(dir, &options(1 << 30)).expect("opens"));
    };
    rebuilt(dir);
    restore("commits");
    garbage("index.damaged");
    is_whole(dir, &model, "before commits were noted of it");
    rebuilt(dir);
    garbage("index.damaged");
    is_whole(dir, &model, "before what was there was removed");
    fs::write(dir.join("rebuild"), "ordered\n").expect("written");
    is_whole(dir, &model, "before the order was removed");
}

#[test]
fn a_damaged_base_is_named_and_the_log_is_used_where_it_is_whole() {
    for cut in [false, true] {
        let (dir, model) = filled(cut);
        let base = dir.path().join("base");
        if !cut {
            // One that nothing was removed for.
            let mut storage = open(dir.path(), &options(1)).expect("opens");
            written_base(&storage, dir.path());
            let more = encoded(Sample::new(1));
            conformance::append(&mut storage.log, &[&more], 5_000, &mut Vec::new())
                .expect("appended");
        }
        let bytes = fs::read(&base).expect("there is a base");
        for n in 0..6 {
            let mut damaged = bytes.clone();
            match n {
                0 => damaged.truncate(bytes.len() - 1),
                1 => damaged.truncate(bytes.len() / 2),
                2 => damaged.clear(),
                3 => damaged.push(0),
                _ => damaged[bytes.len() * (n - 3) / 4] ^= 4,
            }
            fs::write(&base, damaged).expect("written");
            fs::remove_dir_all(dir.path().join("index")).ok();
            match cut {
                true => {
                    is_refused(dir.path(), &["base", "damaged", "restore the whole data directory"])
                }
                false => is_whole(dir.path(), &model, &format!("damage {n}")),
            }
        }
        fs::write(&base, &bytes).expect("written");
        is_whole(dir.path(), &model, "the base is whole again");
    }
}

#[test]
fn what_had_expired_stays_so_when_the_index_is_made_from_an_older_base() {
    let dir = tempfile::tempdir().expect("a directory");
    // One file of the log, which nothing can go of, so that no other base is needed.
    let options =
        |base_every_bytes| Options { segment_bytes: 4 << 20, ..options(base_every_bytes) };
    let mut model = Model { now_ms: 1_000, keeps: true, ..Model::default() };
    let mut dice = Dice(79);
    let mut storage = open(dir.path(), &options(1 << 30)).expect("opens");
    (0..300).for_each(|_| model.act(&mut storage, &mut dice));
    model.store(&storage);
    drop(storage);
    // It has all of that, and nothing of it is cut there.
    let storage = open(dir.path(), &options(1)).expect("opens");
    written_base(&storage, dir.path());
    drop(storage);
    let base = fs::read(dir.path().join("base")).expect("read");
    for again in 0..3 {
        let mut storage = open(dir.path(), &options(1 << 30)).expect("opens");
        (0..60).for_each(|_| model.act(&mut storage, &mut dice));
        // Of what came behind the base, too, and at last all.
        model.now_ms += 30 * again;
        model.retain(&storage);
        model.look(&storage);
        let cut = model.bounds(&storage);
        assert!(cut.iter().any(|(_, bounds)| bounds.min.0 > 1), "something has expired");
        drop(storage);
        assert!(fs::read(dir.path().join("base")).expect("read") == base, "it is the older one");
        fs::remove_dir_all(dir.path().join("index")).expect("removed");
        if again == 1 {
            // The log says how far it was cut.
            fs::remove_file(dir.path().join("commits")).expect("removed");
        }
        let storage = open(dir.path(), &options(1 << 30)).expect("opens");
        model.store(&storage);
        let bounds = |of: &[(usize, openim_record::InboxBounds)]| -> Vec<_> {
            of.iter().map(|(user, bounds)| (*user, bounds.min, bounds.newest)).collect()
        };
        assert_eq!(bounds(&model.bounds(&storage)), bounds(&cut), "{again}");
    }
}

/// Has a base written, of an index that has one every byte of log.
fn written_base(storage: &Embedded, dir: &Path) {
    storage.history.settle().wait().expect("settled");
    for _ in 0..1_000 {
        if dir.join("base").exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("no base is written");
}

#[test]
fn a_log_that_has_lost_its_end_is_noticed_without_an_index() {
    let (dir, _) = filled(false);
    let storage = open(dir.path(), &options(1 << 30)).expect("opens");
    openim_storage::port::wait(storage.history.settle()).expect("settled");
    drop(storage);
    let log = conformance::files(&dir.path().join("log")).into_iter().max().expect("a segment");
    let mut bytes = fs::read(&log).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something");
    bytes[end - 1_500..=end].fill(0);
    fs::write(&log, bytes).expect("written");
    is_refused(dir.path(), &["the log was applied up to", "but ends here"]);
    fs::write(dir.path().join("rebuild"), "ordered\n").expect("written");
    is_refused(dir.path(), &["the log was applied up to", "but ends here"]);
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    is_refused(dir.path(), &["the log was applied up to", "but ends here"]);
}

/// The log of such data has no users from before, and would bring an index without them.
#[test]
fn data_that_an_earlier_version_began_is_not_made_from_its_log_alone() {
    let (dir, model) = filled(false);
    conformance::earlier_form(dir.path());
    drop(open(dir.path(), &options(1 << 30)).expect("taken over"));
    let base = fs::read(dir.path().join("base")).expect("written by the start");
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    is_whole(dir.path(), &model, "from the base");
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    fs::remove_file(dir.path().join("base")).expect("removed");
    is_refused(dir.path(), &["there is no base, and the log has no users", "an earlier version"]);
    let damaged: Vec<u8> = base.iter().map(|byte| !byte).collect();
    fs::write(dir.path().join("base"), damaged).expect("written");
    is_refused(dir.path(), &["the base is damaged", "the log has no users"]);
    fs::write(dir.path().join("base"), base).expect("put back");
    is_whole(dir.path(), &model, "with its base again");
}

#[test]
fn damage_that_is_met_while_serving_orders_a_new_index_once() {
    let (dir, model) = filled(true);
    let storage = open(dir.path(), &options(1 << 30)).expect("opens");
    let spot = |key: &str| openim_storage::port::Spot::Key(key.to_owned());
    let error = |place| openim_storage::port::StoreError::Corrupt { place, cause: "a row".into() };
    storage.mend.met(&error(spot("elsewhere/x")));
    let (file, offset) = ("00.log".to_owned(), 7);
    storage.mend.met(&error(openim_storage::port::Spot::Byte { file, offset }));
    assert!(storage.mend.trouble().is_none() && !dir.path().join("rebuild").exists());
    storage.mend.met(&error(spot("index/inboxes")));
    assert!(storage.mend.trouble().is_some_and(|why| why.contains("index/inboxes")));
    let note = fs::read_to_string(dir.path().join("rebuild")).expect("noted");
    assert!(note.contains("index/inboxes"), "{note}");
    drop(storage);
    is_whole(dir.path(), &model, "ordered");
}

#[test]
fn the_command_makes_it_anew_and_needs_data_that_nobody_has() {
    let (dir, model) = filled(false);
    let any = Options { partitions: 7, ..options(1 << 30) };
    let storage = open(dir.path(), &options(1 << 30)).expect("opens");
    assert!(openim_storage::embedded::rebuild_index(dir.path(), &any).is_err());
    assert!(!dir.path().join("rebuild").exists(), "nothing is ordered");
    drop(storage);
    fs::remove_file(dir.path().join("index/version")).expect("removed");
    let report = openim_storage::embedded::rebuild_index(dir.path(), &any).expect("made anew");
    assert!(report.is_some_and(|report| report.in_use));
    is_whole(dir.path(), &model, "by command");
    let empty = tempfile::tempdir().expect("a directory");
    assert!(openim_storage::embedded::rebuild_index(empty.path(), &any).expect("read").is_none());
}
