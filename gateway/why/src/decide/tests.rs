//! The table: from notes to reasons.

use super::*;
use crate::note::{End, Ended, Fate, LinkNote, Note, PullNote, Pushed, SendName, SendNote, Who};
use crate::trail::Asked;
use crate::words::Language;

const SENT_MS: i64 = 1_000_000;

fn name(number: u32) -> LinkName {
    LinkName { run_s: 7, shard: 0, number }
}

/// Of bob's: opened, pushed from and to, its end.
fn link(
    platform: u8,
    opened_ms: i64,
    (first, newest): (u64, u64),
    end: Option<(i64, Ended, u64)>,
) -> Note {
    let pushed = Pushed {
        first: Seq(first),
        newest: Seq(newest),
        first_ns: (SENT_MS - 10) * 1_000_000,
        newest_ns: (SENT_MS + 10) * 1_000_000,
    };
    let untaken = Seq(end.map_or(0, |(_, _, untaken)| untaken));
    let end = end.map(|(at_ms, why, _)| End { at_ms, why });
    let (who, link, index) = (Who::new("bob"), name(u32::from(platform)), platform.into());
    Note::Link(LinkNote { who, platform, link, index, opened_ms, pushed, untaken, end })
}

fn pull(platform: u8, from: u64, to: u64, at_ms: i64) -> Note {
    let (from, to) = (Seq(from), Seq(to));
    Note::Pull(PullNote { who: Who::new("bob"), platform, link: None, from, to, at_ms })
}

struct Case {
    asked: Asked,
    found: Found,
    refused: Option<Refusal>,
}

fn case(found: Found, seq: u64) -> Case {
    let seq = Seq(seq);
    let who = Who::new("bob");
    let (platform, origin, uncopied) = (0, None, false);
    let asked = Asked { who, platform, seq, sent_ms: SENT_MS, origin, uncopied };
    Case { asked, found, refused: None }
}

impl Case {
    fn by(self, notes: &[Note]) -> Reason {
        let mut trail = Trail::new(self.asked);
        notes.iter().for_each(|note| trail.see(note));
        // In any order.
        let mut back = Trail::new(self.asked);
        notes.iter().rev().for_each(|note| back.see(note));
        assert_eq!(trail, back);
        decide(&Facts { found: self.found, trail, refused: self.refused })
    }

    fn name(self, notes: &[Note]) -> &'static str {
        self.by(notes).name()
    }
}

#[test]
fn each_reason_follows_from_its_notes() {
    let numbered = || case(Found::Numbered, 5);
    let open = link(1, 900_000, (5, 9), None);
    assert_eq!(numbered().name(&[open]), "pushed");
    assert_eq!(
        numbered().name(&[link(1, 900_000, (4, 5), Some((SENT_MS, Ended::Left, 0)))]),
        "pushed"
    );
    assert_eq!(numbered().name(&[pull(1, 5, 5, SENT_MS + 1)]), "pulled");
    assert_eq!(numbered().name(&[pull(1, 1, 4, SENT_MS), pull(1, 6, 9, SENT_MS)]), "waits");
    assert_eq!(numbered().name(&[]), "waits");
    // A link that came later and did not ask.
    let later = link(1, SENT_MS + 5, (6, 9), None);
    let waits =
        Reason::Waits { seq: Seq(5), link_since: Some((SENT_MS + 5, 1)), since_ms: SENT_MS };
    assert_eq!(numbered().by(&[later]), waits);
    // One that has not taken it yet.
    let Note::Link(note) = link(1, 900_000, (3, 9), None) else { unreachable!() };
    let slow = Note::Link(LinkNote { untaken: Seq(5), ..note });
    let waits = Reason::Waits { seq: Seq(5), link_since: Some((900_000, 1)), since_ms: SENT_MS };
    assert_eq!(numbered().by(&[slow]), waits);
    // One that had gone before.
    let gone = link(1, 1, (1, 4), Some((SENT_MS - 1, Ended::Left, 0)));
    let waits = Reason::Waits { seq: Seq(5), link_since: None, since_ms: SENT_MS };
    assert_eq!(numbered().by(&[gone]), waits);
    for why in [Ended::Slow, Ended::Left, Ended::Closed] {
        let cut = link(1, 900_000, (3, 9), Some((SENT_MS + 30, why, 5)));
        assert_eq!(numbered().name(&[cut]), "cut", "{why:?}");
        assert_eq!(case(Found::Numbered, 4).name(&[cut]), "pushed", "{why:?}");
        assert_eq!(numbered().name(&[cut, pull(1, 5, 9, SENT_MS + 99)]), "pulled");
    }
    assert_eq!(case(Found::Expired, 5).name(&[]), "expired");
    assert_eq!(case(Found::ForOthers { group: true }, 0).name(&[open]), "not_a_member");
    assert_eq!(case(Found::WithoutHistory, 0).name(&[open]), "no_history");
    assert_eq!(case(Found::Repeat { first_ms: 3 }, 0).name(&[]), "duplicate");
    let nowhere = || case(Found::Nowhere { back_to_ms: 0, sender_unknown: false }, 0);
    assert_eq!(nowhere().name(&[open, pull(1, 1, 9, 0)]), "never_accepted");
    for (blocked, name) in [(true, "blocked"), (false, "refused")] {
        let refused = Some(Refusal { code: 600, at_ms: 9, blocked });
        assert_eq!(Case { refused, ..nowhere() }.name(&[]), name);
    }
}

#[test]
fn a_server_that_ended_does_not_say_that_nobody_was_there() {
    let at = |seq, notes: &[Note]| case(Found::Numbered, seq).name(notes);
    let lost = link(1, 900_000, (3, 4), Some((SENT_MS + 900, Ended::Lost, 0)));
    assert_eq!(at(4, &[lost]), "pushed");
    assert_eq!(at(5, &[lost]), "cut");
    assert_eq!(at(2, &[lost]), "waits", "it was there before the link");
    // Nothing was sent to it that is of the next run.
    let earlier = link(1, 900_000, (3, 4), Some((SENT_MS - 1, Ended::Lost, 0)));
    assert_eq!(at(5, &[earlier]), "waits");
    let slow = link(1, 900_000, (3, 9), Some((SENT_MS + 900, Ended::Lost, 5)));
    assert_eq!(at(4, &[slow]), "pushed");
    assert_eq!(at(5, &[slow]), "cut");
    let never = link(1, 900_000, (0, 0), Some((SENT_MS + 900, Ended::Lost, 0)));
    assert_eq!(at(5, &[never]), "cut");
}

#[test]
fn of_one_device_the_others_are_told_apart() {
    let of = |platform| {
        let case = case(Found::Numbered, 5);
        Case { asked: Asked { platform, ..case.asked }, ..case }
    };
    let notes = [link(1, 900_000, (5, 9), None), link(5, SENT_MS + 1, (0, 0), None)];
    assert_eq!(of(1).name(&notes), "pushed");
    assert_eq!(of(5).name(&notes), "other_device");
    assert_eq!(of(2).name(&notes), "other_device");
    assert_eq!(of(2).name(&[]), "waits");
}

#[test]
fn who_sent_it_has_it() {
    let of = |platform| {
        let case = case(Found::Numbered, 5);
        Case { asked: Asked { platform, origin: Some(2), ..case.asked }, ..case }
    };
    // Within what was pushed to the link that it was sent on.
    let own = link(2, 900_000, (4, 9), None);
    let copy = link(1, 900_000, (4, 9), None);
    assert_eq!(of(0).name(&[own]), "other_device");
    assert_eq!(of(2).name(&[own]), "other_device");
    assert_eq!(of(1).name(&[own, copy]), "pushed");
    let uncopied = of(1);
    let asked = Asked { uncopied: true, ..uncopied.asked };
    assert_eq!(Case { asked, ..uncopied }.name(&[own, copy]), "other_device");
}

#[test]
fn what_is_not_known_any_more_is_not_told() {
    let case = case(Found::Numbered, 5);
    let mut trail = Trail::new(case.asked);
    trail.known_from_ms = SENT_MS + 77;
    let facts = Facts { found: case.found, trail, refused: None };
    assert_eq!(decide(&facts).at_ms(), Some(SENT_MS + 77));
}

#[test]
fn others_say_nothing() {
    let Note::Link(note) = link(1, 900_000, (5, 9), None) else { unreachable!() };
    let others = Note::Link(LinkNote { who: Who::new("carol"), ..note });
    let fate = Fate::Refused { code: 1, blocked: false };
    let (sender, send) = (Who::new("bob"), SendName::new("m"));
    let refused = SendNote { sender, send, fate, at_ms: SENT_MS };
    assert_eq!(case(Found::Numbered, 5).name(&[others, Note::Send(refused)]), "waits");
}

#[test]
fn every_reason_has_words() {
    let taken = Taken { how: Had::Pushed, at_ms: 1, platform: 1, link: Some(name(1)) };
    let cut = Cut { why: Ended::Slow, at_ms: 1, platform: 1, link: name(1) };
    let since = Some((1, 5));
    let (seq, at_ms, since_ms) = (Seq(3), 4, 5);
    let all = [
        Reason::Pulled(Taken { link: None, ..taken }),
        Reason::Pushed(taken),
        Reason::Waits { seq, link_since: None, since_ms },
        Reason::Waits { seq, link_since: since, since_ms },
        Reason::Refused { code: 203, at_ms },
        Reason::NotMember { group: true },
        Reason::NotMember { group: false },
        Reason::Blocked { at_ms, refused: true },
        Reason::Blocked { at_ms, refused: false },
        Reason::Cut(cut),
        Reason::Expired,
        Reason::OtherDevice(taken),
        Reason::OtherDevice(Taken { how: Had::Sent, ..taken }),
        Reason::NeverAccepted { back_to_ms: 0, sender_unknown: false },
        Reason::NeverAccepted { back_to_ms: 9, sender_unknown: false },
        Reason::NeverAccepted { back_to_ms: 9, sender_unknown: true },
        Reason::Duplicate { first_ms: 3 },
        Reason::NoHistory { link_since: None },
        Reason::NoHistory { link_since: since },
    ];
    let mut texts = Vec::new();
    for reason in all {
        assert!(Reason::NAMES.contains(&reason.name()));
        let (english, chinese) = (reason.text(Language::English), reason.text(Language::Chinese));
        assert!(english.is_ascii() && english.ends_with('.'), "{english}");
        assert!(chinese.ends_with('。'), "{chinese}");
        texts.extend([english, chinese]);
    }
    let count = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count, "each says something else");
    let mut names: Vec<_> = all.iter().map(Reason::name).collect();
    names.dedup();
    assert_eq!(names, Reason::NAMES);
}
