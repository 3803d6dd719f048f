//! See [`super`].

use openim_record::Seq;
use openim_why::{Had, LinkName, Pushed};

use super::*;

fn book(dir: &std::path::Path, slots: u64, now_ms: i64) -> Book {
    let bytes = 4096 + slots * SLOT_BYTES as u64;
    Book::open(LinksFile::open(dir, bytes, now_ms).unwrap(), None, now_ms).unwrap()
}

fn link(number: u32, newest: u64, end: Option<End>) -> Note {
    let (first_ns, newest_ns) = (1_000_000, 2_000_000);
    let pushed = Pushed { first: Seq(1), newest: Seq(newest), first_ns, newest_ns };
    let link = LinkName { run_s: 1, shard: 0, number };
    let (who, index, untaken) = (Who::new(&format!("u{number}")), number, Seq(0));
    Note::Link(LinkNote { who, platform: 1, link, index, opened_ms: 1, pushed, untaken, end })
}

fn asked(number: u32, seq: u64) -> Asked {
    let who = Who::new(&format!("u{number}"));
    Asked { who, platform: 0, seq: Seq(seq), sent_ms: 2, origin: None, uncopied: false }
}

#[test]
fn open_links_stay_however_much_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), 64, 0);
    for number in 0..10 {
        book.take(&link(number, 1, None)).unwrap();
    }
    for number in 100..400 {
        let end = Some(End { at_ms: i64::from(number), why: Ended::Left });
        book.take(&link(number, 5, end)).unwrap();
    }
    for number in 0..10 {
        book.take(&link(number, 9, None)).unwrap();
        let answer = book.ask(asked(number, 9), None).unwrap();
        assert_eq!(answer.trail.taken.map(|taken| taken.how), Some(Had::Pushed));
    }
    // Of the others the oldest went, and it is known from when on none has.
    let known = book.ask(asked(399, 1), None).unwrap().trail.known_from_ms;
    for number in 100..400 {
        let there = book.ask(asked(number, 1), None).unwrap().trail.taken.is_some();
        assert_eq!(there, i64::from(number) > known, "{number}");
    }
}

/// The place of a link in its shard is given again, perhaps before all is known of the one before it.
#[test]
fn a_place_that_is_given_again_keeps_links_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), 64, 0);
    let in_place = |number, newest, end| match link(number, newest, end) {
        Note::Link(note) => Note::Link(LinkNote { index: 0, ..note }),
        other => other,
    };
    let had = |book: &Book, number, seq| {
        book.ask(asked(number, seq), None).unwrap().trail.taken.is_some()
    };
    let end = Some(End { at_ms: 9, why: Ended::Left });
    book.take(&in_place(1, 2, None)).unwrap();
    book.take(&in_place(1, 2, end)).unwrap();
    book.take(&in_place(2, 1, None)).unwrap();
    // What the socket of the first took in the end.
    book.take(&in_place(1, 3, end)).unwrap();
    book.take(&in_place(2, 5, None)).unwrap();
    assert!(had(&book, 1, 3) && had(&book, 2, 5) && !had(&book, 2, 6));
    assert_eq!(book.file.len().1, 3, "the open one was written anew in its place");
    // The end of the second is lost.
    book.take(&in_place(3, 7, None)).unwrap();
    book.take(&in_place(3, 8, None)).unwrap();
    assert!(had(&book, 1, 3) && had(&book, 2, 5) && had(&book, 3, 8));
    assert_eq!(book.open.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
}

#[test]
fn links_of_a_run_that_was_killed_have_ended_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = book(dir.path(), 64, 0);
    before.take(&link(1, 4, None)).unwrap();
    before.flush(7).unwrap();
    drop(before);
    let after = book(dir.path(), 64, 50);
    let cut = after.ask(asked(1, 5), None).unwrap().trail.cut.unwrap();
    assert_eq!((cut.why, cut.at_ms), (Ended::Lost, 50));
    assert!(after.ask(asked(1, 4), None).unwrap().trail.taken.is_some());
}

#[test]
fn who_pulls_the_same_again_takes_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), 64, 0);
    let who = Who::new("u1");
    let pull = |from, to, at_ms| {
        Note::Pull(PullNote { who, platform: 1, link: None, from: Seq(from), to: Seq(to), at_ms })
    };
    for round in 0..1000 {
        book.take(&pull(1, 9, round * 10_000)).unwrap();
    }
    assert_eq!(book.file.len().1, 1);
    // One that goes on is one with it; one that comes later is not.
    book.take(&pull(10, 12, 100)).unwrap();
    assert_eq!(book.file.len().1, 1);
    book.take(&pull(13, 15, 90_000)).unwrap();
    assert_eq!(book.file.len().1, 2);
    let at = |seq| book.ask(asked(1, seq), None).unwrap().trail.taken.map(|taken| taken.at_ms);
    assert_eq!((at(1), at(12), at(13), at(16)), (Some(0), Some(0), Some(90_000), None));
}

#[test]
fn a_refusal_is_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), 64, 0);
    let (sender, send) = (Who::new("u1"), SendName::new("m"));
    let fate = Fate::Refused { code: 203, blocked: false };
    for at_ms in [5, 3] {
        book.take(&Note::Send(SendNote { sender, send, fate, at_ms })).unwrap();
    }
    let found = |send, sender| book.ask(asked(2, 0), Some((send, sender))).unwrap().sends[0];
    assert_eq!(found(send, None).map(|note| note.at_ms), Some(5));
    assert_eq!(found(send, Some(sender)).map(|note| note.fate), Some(fate));
    assert_eq!(found(send, Some(Who::new("u2"))), None);
    assert_eq!(found(SendName::new("n"), None), None);
}

/// As many open links as there are slots find room, wherever the ring is.
#[test]
fn only_open_links_in_every_slot_leave_no_room() {
    const SLOTS: u64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), SLOTS, 0);
    for number in 0..7_000 {
        book.take(&link(number, 1, None)).unwrap();
    }
    assert_eq!(book.too_small(), Some(7_000 * 4 * SLOT_BYTES as u64));
    // Three times round, over all of them.
    let end = Some(End { at_ms: 5, why: Ended::Left });
    for number in 10_000..19_000 {
        book.take(&link(number, 1, end)).unwrap();
    }
    for number in 7_000..10_000 {
        book.take(&link(number, 1, None)).unwrap();
    }
    for number in [0, 4_096, 6_999, 7_000, 9_999] {
        assert!(book.ask(asked(number, 1), None).unwrap().trail.taken.is_some(), "{number}");
    }
    assert!(book.take(&link(20_000, 1, None)).is_err());
    // The place of one that ends is the only one there is.
    book.take(&link(4_242, 1, end)).unwrap();
    book.take(&link(20_000, 1, None)).unwrap();
    assert_eq!(u64::from(book.open_count), SLOTS);
    assert!(book.take(&link(20_001, 1, end)).is_err());
}

/// What lay behind open links is gone when the ring has come round, however little was written.
#[test]
fn a_pull_that_was_written_over_is_noted_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(dir.path(), 64, 0);
    let (platform, link_name, from, to) = (1, None, Seq(1), Seq(9));
    let who = Who::new("u70");
    let pull = |at_ms| PullNote { who, platform, link: link_name, from, to, at_ms };
    book.take(&Note::Pull(pull(1))).unwrap();
    for number in 0..50 {
        book.take(&link(number, 1, None)).unwrap();
    }
    let end = Some(End { at_ms: 5, why: Ended::Left });
    for number in 100..114 {
        book.take(&link(number, 1, end)).unwrap();
    }
    let had = |book: &Book| book.ask(asked(70, 3), None).unwrap().trail.taken.is_some();
    assert!(!had(&book));
    book.take(&Note::Pull(pull(2))).unwrap();
    assert!(had(&book));
}

#[test]
fn what_the_log_took_without_a_journal_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    book(dir.path(), 64, 0).flush(50_000).unwrap();
    for (newest, known) in [(None, 0), (Some(50_000 + BEHIND_MS), 0), (Some(80_000), 90_000)] {
        let file = LinksFile::open(dir.path(), 4096 + 64 * SLOT_BYTES as u64, 90_000).unwrap();
        let alive_ms = file.alive_ms();
        let mut book = Book::open(file, newest, 90_000).unwrap();
        assert_eq!(book.file.known_from_ms(), known, "{newest:?}");
        book.flush(alive_ms).unwrap();
    }
}
