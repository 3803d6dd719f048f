//! Copies: made beside a server, cut short anywhere and gone on with, checked, and restored to any record.

#[path = "beside/mod.rs"]
mod beside;
#[path = "everything/mod.rs"]
mod everything;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use beside::Beside;
use everything::{Dice, Model, options};
use openim_storage::conformance::{Wait as _, files};
use openim_storage::embedded::copy::{self, Copy, CopyError, Moment, Source, Stopped};
use openim_storage::embedded::{Embedded, open};
use openim_storage::port::History as _;

/// Little at once, so that it can be cut short in many places.
fn beside(storage: &Embedded) -> Beside {
    Beside { origin: Arc::clone(&storage.origin), now_ms: now_ms(), bytes_max: 3_000 }
}

fn now_ms() -> i64 {
    77
}

/// Goes on with a copy until it is whole.
fn back_up(dir: &Path, source: &mut dyn Source) -> Result<(), CopyError> {
    let mut copy = Copy::open(dir, source)?;
    loop {
        copy.step(source, 0)?;
        if copy.is_whole() {
            return copy.finish();
        }
    }
}

#[track_caller]
fn is_verified(dir: &Path) -> copy::Verified {
    let mut told = Vec::new();
    let verified = copy::verify(dir, &mut |damage| told.push(damage.to_owned())).expect("read");
    assert_eq!(told, Vec::<String>::new());
    verified
}

/// Restores to a moment, and looks whether all is there as it was then.
#[track_caller]
fn is_restored(copy: &Path, moment: Moment, model: &Model, case: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let new = dir.path().join("new");
    copy::restore(copy, &new, moment).unwrap_or_else(|error| panic!("{case}: {error}"));
    is_verified(&new);
    let mut storage =
        open(&new, &options(1 << 30)).unwrap_or_else(|error| panic!("{case}: {error}"));
    model.store(&storage);
    model.check(&storage, case);
    // What had expired then, and nothing else.
    model.mins_are(&storage, case);
    // It goes on, and starts again.
    let mut model = model.clone();
    let mut dice = Dice(5);
    (0..20).for_each(|_| model.act(&mut storage, &mut dice));
    model.store(&storage);
    drop(storage);
    let storage = open(&new, &options(1 << 30)).expect("opens");
    model.check(&storage, case);
}

/// A server at work, each moment of it, and a copy that follows and is cut short again and again.
fn at_work(seed: u64) {
    let (dir, copied) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("one"));
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let every = [6 << 10, 24 << 10, 1 << 30][dice.roll(3)];
    let mut model = Model { now_ms: 1_000, keeps: seed.is_multiple_of(2), ..Model::default() };
    let mut moments: Vec<(u64, Model)> = Vec::new();
    for round in 0..3 {
        let mut storage = open(dir.path(), &options(every)).expect("opens");
        model.store(&storage);
        for _ in 0..40 + dice.roll(80) {
            model.act(&mut storage, &mut dice);
            model.look(&storage);
            moments.push((storage.log.head().0, model.clone()));
            if dice.roll(10) == 0 {
                model.store(&storage);
            }
            if dice.roll(4) == 0 {
                let mut beside = beside(&storage);
                let copy = Copy::open(copied.path(), &mut beside);
                let mut copy = copy.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                for _ in 0..dice.roll(6) {
                    copy.step(&mut beside, 0).expect("taken");
                }
                // Cut short: what it knew is gone, its files are there.
                drop(copy);
                tear(copied.path(), &mut dice);
            }
        }
        storage.history.settle().wait().expect("settled");
        match round % 2 {
            0 => back_up(copied.path(), &mut beside(&storage)).expect("taken"),
            _ => {
                drop(storage);
                let mut stopped = Stopped::open(dir.path(), now_ms).expect("opens").expect("there");
                back_up(copied.path(), &mut stopped).expect("taken");
            }
        }
    }
    let verified = is_verified(copied.path());
    assert_eq!(verified.position + 40, moments.last().expect("some").0, "seed {seed}");
    is_restored(copied.path(), Moment::Last, &model, &format!("seed {seed}: the last"));
    let mut restored = 0;
    for _ in 0..8 {
        let (position, model) = &moments[dice.roll(moments.len())];
        let case = format!("seed {seed}: at {position}");
        let dir = tempfile::tempdir().expect("a directory");
        match copy::restore(copied.path(), &dir.path().join("new"), Moment::Position(*position)) {
            Ok(_) => {
                is_restored(copied.path(), Moment::Position(*position), model, &case);
                // In the middle of the last record before: it began before that.
                let inside = Moment::Position(position - 41);
                is_restored(copied.path(), inside, model, &format!("{case}, a little before"));
                restored += 1;
            }
            // The copy began when a base was there, which says nothing of before; or the log was removed before it.
            Err(error) => {
                let error = error.to_string();
                let is_known = ["first base", "had removed it", "no base of that part"];
                assert!(is_known.iter().any(|known| error.contains(known)), "{case}: {error}");
            }
        }
    }
    assert!(restored > 0 || every < 1 << 30 || !model.keeps, "seed {seed}");
}

/// What a crash may leave behind what is durable.
fn tear(copied: &Path, dice: &mut Dice) {
    let log = files(&copied.join("log"));
    let Some(last) = log.last().filter(|_| dice.roll(2) == 0) else { return };
    let end = fs::metadata(last).expect("there").len();
    let file = fs::OpenOptions::new().write(true).open(last).expect("opens");
    file.write_all_at(&vec![dice.roll(256) as u8; dice.roll(500)], end).expect("written");
}

#[test]
fn whenever_it_is_cut_short_it_goes_on_and_any_record_can_be_restored() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 1..=seeds.unwrap_or(4) {
        at_work(seed);
    }
}

/// Waits until something is so.
#[track_caller]
fn until(is: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if is() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it does not become so");
}

/// A server with a little of everything, and a copy of it.
fn copied(actions: usize, every: u64) -> (tempfile::TempDir, Embedded, Model, tempfile::TempDir) {
    copied_in(tempfile::tempdir().expect("a directory"), actions, every)
}

/// The same of one whose data is in `dir`.
fn copied_in(
    dir: tempfile::TempDir,
    actions: usize,
    every: u64,
) -> (tempfile::TempDir, Embedded, Model, tempfile::TempDir) {
    let copied = tempfile::tempdir().expect("a directory");
    let mut storage = open(dir.path(), &options(every)).expect("opens");
    let mut model = Model { now_ms: 1_000, keeps: true, ..Model::default() };
    let mut dice = Dice(77);
    (0..actions).for_each(|_| model.act(&mut storage, &mut dice));
    model.store(&storage);
    model.look(&storage);
    if every < 1 << 30 {
        storage.history.settle().wait().expect("settled");
        until(|| dir.path().join("base").exists());
    }
    back_up(copied.path(), &mut beside(&storage)).expect("taken");
    (dir, storage, model, copied)
}

#[test]
fn a_copy_is_no_larger_than_what_there_is() {
    let (dir, storage, _, copied) = copied(200, 1 << 30);
    let bytes = |dir: &Path| -> u64 {
        files(dir).iter().map(|file| fs::metadata(file).expect("there").len()).sum()
    };
    let durable = storage.origin.about(0).expect("told").durable;
    assert_eq!(bytes(&copied.path().join("log")), durable);
    assert!(bytes(&dir.path().join("log")) > durable, "a segment has its space ahead");
}

#[test]
fn every_damage_is_named_and_no_damaged_copy_is_restored() {
    let (_dir, _storage, _, copied) = copied(200, 4 << 10);
    let copied = copied.path();
    assert!(is_verified(copied).bases > 0);
    let mut dice = Dice(3);
    let damageable = files(copied).into_iter().filter(|file| {
        let name = file.strip_prefix(copied).expect("in it").display().to_string();
        name.starts_with("log/") || name.starts_with("bases/") || name == "copy" || name == "format"
    });
    for file in damageable {
        let good = fs::read(&file).expect("read");
        for _ in 0..2 {
            let mut bad = good.clone();
            let at = dice.roll(good.len());
            bad[at] ^= 1 << dice.roll(8);
            fs::write(&file, &bad).expect("written");
            let mut told = Vec::new();
            let verified = copy::verify(copied, &mut |damage| told.push(damage.to_owned()));
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            match verified {
                Ok(verified) => {
                    assert!(verified.damages > 0, "{name}: the flip at {at} is not seen");
                    assert!(told.iter().any(|line| line.contains(&name)), "{name}: {told:?}");
                }
                Err(error) => assert!(error.to_string().contains(&name), "{name}: {error}"),
            }
            let new = tempfile::tempdir().expect("a directory");
            let to = new.path().join("new");
            if let Err(error) = copy::restore(copied, &to, Moment::Last) {
                assert!(error.to_string().contains(&name), "{name}: {error}");
                assert!(!to.join("format").exists(), "nobody can start it");
            } else {
                // An older base that another one stands for.
                assert!(name.ends_with(".base"), "{name} at {at}");
            }
        }
        fs::write(&file, &good).expect("written");
    }
    is_verified(copied);
}

#[test]
fn a_missing_segment_is_named() {
    let (_dir, _storage, _, copied) = copied(300, 1 << 30);
    let log = files(&copied.path().join("log"));
    fs::remove_file(&log[1]).expect("removed");
    let mut told = Vec::new();
    copy::verify(copied.path(), &mut |damage| told.push(damage.to_owned())).expect("read");
    let name = log[1].file_name().expect("a name").to_string_lossy().into_owned();
    assert!(told.iter().any(|line| line.contains(&name) && line.contains("missing")), "{told:?}");
}

/// What the copy says of itself tells more than what is there.
#[test]
fn what_is_gone_from_a_copy_is_named_and_not_passed_over() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("secret"), "kept\n").expect("written");
    let (_dir, _storage, _, copied) = copied_in(dir, 300, 4 << 10);
    let copied = copied.path();
    is_verified(copied);
    let log = files(&copied.join("log"));
    let bases = files(&copied.join("bases"));
    let newest = log.last().expect("a segment");
    for (gone, is_needed) in [(newest, true), (&log[0], true), (&bases[0], false)] {
        let name = gone.display().to_string();
        let aside = copied.join("aside");
        fs::rename(gone, &aside).expect("moved");
        let mut told = Vec::new();
        let verified = copy::verify(copied, &mut |damage| told.push(damage.to_owned()));
        assert!(verified.expect("read").damages > 0, "{name}");
        let new = tempfile::tempdir().expect("a directory");
        let to = new.path().join("new");
        let restored = copy::restore(copied, &to, Moment::Last);
        assert!(restored.is_err() || !is_needed, "{name}");
        assert!(!to.exists() || restored.is_ok(), "{name}: nothing is half made");
        fs::rename(&aside, gone).expect("moved");
    }
    for text in [None, Some("other\n")] {
        fs::remove_file(copied.join("secret")).expect("removed");
        text.inspect(|text| fs::write(copied.join("secret"), text).expect("written"));
        let mut told = Vec::new();
        copy::verify(copied, &mut |damage| told.push(damage.to_owned())).expect("read");
        assert!(matches!(&told[..], [one] if one.contains("/secret: ")), "{told:?}");
        let new = tempfile::tempdir().expect("a directory");
        let to = new.path().join("new");
        let restored = copy::restore(copied, &to, Moment::Last).expect("the data is whole");
        assert_eq!((restored.lost, to.join("secret").exists()), (vec!["secret".into()], false));
        fs::write(copied.join("secret"), "kept\n").expect("written");
    }
    fs::remove_file(copied.join("copy")).expect("removed");
    let error = copy::verify(copied, &mut |_| {}).expect_err("it is none any more");
    assert!(error.to_string().contains("its file copy is missing"), "{error}");
}

#[test]
fn a_server_that_was_stopped_is_whole() {
    let (dir, storage, _, _copied) = copied(100, 1 << 30);
    storage.history.settle().wait().expect("settled");
    drop(storage);
    is_verified(dir.path());
}

#[test]
fn damage_at_the_source_is_told_and_not_taken() {
    let (dir, mut storage, mut model, copied) = copied(100, 1 << 30);
    let mut dice = Dice(9);
    let from = storage.origin.about(0).expect("told").durable;
    (0..10).for_each(|_| model.act(&mut storage, &mut dice));
    drop(storage);
    let log = files(&dir.path().join("log"));
    let (base, last) =
        log.iter().map(|file| (base_of(file), file)).rfind(|(base, _)| *base <= from).expect("one");
    let file = fs::OpenOptions::new().write(true).open(last).expect("opens");
    file.write_all_at(b"?", from - base + 45).expect("written");
    let mut stopped = Stopped::open(dir.path(), now_ms).expect("opens").expect("there");
    if let Err(error) = back_up(copied.path(), &mut stopped) {
        let line = error.to_string();
        assert!(line.contains("damage in") && line.contains("at byte"), "{line}");
    }
    assert_eq!(is_verified(copied.path()).position, from, "what was whole is there");
}

/// A base stands for it.
#[test]
fn damage_before_the_base_of_the_source_is_passed_over() {
    let (dir, storage, _, _copied) = copied(300, 4 << 10);
    let low = storage.origin.about(0).expect("told").base.expect("one").low;
    let mut log = files(&dir.path().join("log"));
    log.retain(|file| file.extension().is_some_and(|kind| kind == "log"));
    let damaged = log.iter().rfind(|file| base_of(file) < low / 2).expect("one");
    let behind = log.iter().map(|file| base_of(file)).rfind(|base| *base <= low).expect("one");
    assert!(behind > base_of(damaged));
    let file = fs::OpenOptions::new().write(true).open(damaged).expect("opens");
    file.write_all_at(b"?", 2_000).expect("written");
    let copied = tempfile::tempdir().expect("a directory");
    // Cut short at each step until it is behind it: what was taken before stays.
    for _ in 0..1_000 {
        let mut source = beside(&storage);
        let mut copy = Copy::open(copied.path(), &mut source).expect("goes on");
        copy.step(&mut source, 0).expect("taken");
        if copy.manifest().stretches.len() > 1 {
            break;
        }
    }
    back_up(copied.path(), &mut beside(&storage)).expect("taken");
    let manifest = copy::Manifest::read(copied.path()).expect("read").expect("there");
    let [before, after] = manifest.stretches()[..] else { panic!("{manifest:?}") };
    assert!(before.first == 0 && before.end < low && after.first == behind, "{manifest:?}");
    is_verified(copied.path());
    let new = tempfile::tempdir().expect("a directory");
    let to = new.path().join("new");
    copy::restore(copied.path(), &to, Moment::Last).expect("restored");
    is_verified(&to);
    open(&to, &options(1 << 30)).expect("opens");
}

fn base_of(file: &Path) -> u64 {
    file.file_stem().and_then(|name| name.to_str()?.parse().ok()).expect("a segment")
}

#[test]
fn what_retention_has_removed_meanwhile_is_a_gap_and_the_copy_goes_on() {
    // What is kept for ever may keep the segment that the copy ends in.
    let gaps = (1..=6).filter(|seed| retained_meanwhile(*seed)).count();
    assert!(gaps > 0);
}

/// Whether the copy has a gap.
fn retained_meanwhile(seed: u64) -> bool {
    let (dir, copied) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("one"));
    let mut storage = open(dir.path(), &options(1 << 30)).expect("opens");
    let mut model = Model { now_ms: 1_000, ..Model::default() };
    let mut dice = Dice(seed * 77);
    (0..150).for_each(|_| model.act(&mut storage, &mut dice));
    back_up(copied.path(), &mut beside(&storage)).expect("taken");
    (0..300).for_each(|_| model.act(&mut storage, &mut dice));
    model.now_ms += 100;
    model.retain(&storage);
    (0..50).for_each(|_| model.act(&mut storage, &mut dice));
    model.store(&storage);
    model.look(&storage);
    back_up(copied.path(), &mut beside(&storage)).expect("taken");
    let manifest = copy::Manifest::read(copied.path()).expect("read").expect("there");
    is_verified(copied.path());
    is_restored(copied.path(), Moment::Last, &model, &format!("seed {seed}"));
    manifest.stretches.len() > 1
}

#[test]
fn other_data_and_other_directories_are_refused() {
    let (_dir, storage, _, copied) = copied(20, 1 << 30);
    let other = tempfile::tempdir().expect("a directory");
    let stranger = open(other.path(), &options(1 << 30)).expect("opens");
    let refused = back_up(copied.path(), &mut beside(&stranger)).expect_err("other");
    assert!(refused.to_string().contains("a copy of other data"), "{refused}");
    drop(stranger);
    let refused = back_up(other.path(), &mut beside(&storage)).expect_err("data");
    assert!(refused.to_string().contains("is no copy"), "{refused}");
    let refused = open(copied.path(), &options(1 << 30)).err().expect("a copy is not served");
    assert!(refused.to_string().contains("openim restore"), "{refused}");
    let refused = copy::restore(copied.path(), other.path(), Moment::Last).expect_err("used");
    assert!(refused.to_string().contains("not empty"), "{refused}");
    let far = Moment::Position(1 << 40);
    let refused = copy::restore(copied.path(), &other.path().join("new"), far).expect_err("far");
    assert!(refused.to_string().contains("goes to position"), "{refused}");
}

#[test]
fn a_moment_before_the_first_base_of_a_copy_is_refused_plainly() {
    let (_dir, _storage, _, copied) = copied(200, 4 << 10);
    let new = tempfile::tempdir().expect("a directory");
    let refused = copy::restore(copied.path(), &new.path().join("new"), Moment::Position(100));
    let why = refused.expect_err("the base is of a later moment").to_string();
    let plain = why.contains("a moment before position") && why.contains("when this copy began");
    assert!(plain && !why.contains('\n'), "{why}");
}

#[test]
fn what_is_kept_beside_is_noted_at_once() {
    let (dir, storage, _, copied) = copied(5, 1 << 30);
    let is_noted = || {
        is_verified(copied.path());
        let manifest = copy::Manifest::read(copied.path()).expect("read").expect("there");
        assert!(manifest.kept.contains_key("secret"));
    };
    fs::write(dir.path().join("secret"), "one\n").expect("written");
    // Both are cut short before they take anything.
    drop(Copy::open(copied.path(), &mut beside(&storage)).expect("opened"));
    is_noted();
    let mut copy = Copy::open(copied.path(), &mut beside(&storage)).expect("opened");
    fs::write(dir.path().join("secret"), "another\n").expect("written");
    copy.greet(&mut beside(&storage)).expect("greeted");
    drop(copy);
    is_noted();
}

#[test]
fn a_server_that_went_on_from_a_restored_copy_is_another_one() {
    let (_dir, mut storage, mut model, copied) = copied(50, 1 << 30);
    let new = tempfile::tempdir().expect("a directory");
    let restored = new.path().join("new");
    let made = copy::restore(copied.path(), &restored, Moment::Last).expect("restored");
    assert_eq!(made.epoch, 1);
    let mut other = open(&restored, &options(1 << 30)).expect("opens");
    let mut dice = Dice(4);
    (0..5).for_each(|_| model.clone().act(&mut other, &mut dice));
    // As long as the copy goes no further than where they part, it may go on with either of them; from then on not.
    (0..5).for_each(|_| model.act(&mut storage, &mut dice));
    back_up(copied.path(), &mut beside(&storage)).expect("taken");
    let refused = back_up(copied.path(), &mut beside(&other)).expect_err("other");
    assert!(refused.to_string().contains("another"), "{refused}");
}
