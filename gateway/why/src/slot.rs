//! A note as bytes of a fixed size.
//!
//! ```text
//! slot = crc32c u32 of what follows, kind u8, platform u8, ended u8, zero u8, u128, numbers (eight bytes each)
//! ```
//! Integers are little-endian.

use openim_record::Seq;

use crate::note::{
    End, Ended, Fate, LinkName, LinkNote, Note, PullNote, Pushed, SendName, SendNote, Who,
};

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 128;
/// A note as it is kept.
pub type Slot = [u8; SLOT_BYTES];

const LINK: u8 = 1;
const PULL: u8 = 2;
const SEND: u8 = 3;
const HEAD_BYTES: usize = 24;
const NUMBERS: usize = (SLOT_BYTES - HEAD_BYTES) / 8;

impl Note {
    /// Its slot.
    #[must_use]
    pub fn encode(&self) -> Slot {
        match *self {
            Self::Link(note) => {
                let LinkNote { who, platform, link, index, opened_ms, pushed, untaken, end } = note;
                let (at_ms, why) = end.map_or((0, 0), |end| (end.at_ms, code_of(end.why)));
                let [run, number] = name(Some(link));
                let (first, newest) = (pushed.first.0, pushed.newest.0);
                let (first_ns, newest_ns) = (pushed.first_ns, pushed.newest_ns);
                let numbers = [
                    u64::from(index) << 32 | run,
                    number,
                    opened_ms.cast_unsigned(),
                    first,
                    newest,
                    first_ns.cast_unsigned(),
                    newest_ns.cast_unsigned(),
                    at_ms.cast_unsigned(),
                    untaken.0,
                ];
                write([LINK, platform, why], who.0, &numbers)
            }
            Self::Pull(PullNote { who, platform, link, from, to, at_ms }) => {
                let [run, number] = name(link);
                let numbers = [run, number, from.0, to.0, at_ms.cast_unsigned()];
                write([PULL, platform, 0], who.0, &numbers)
            }
            Self::Send(SendNote { sender, send, fate, at_ms }) => {
                let (kind, number, to) = match fate {
                    Fate::Refused { code, blocked } => (u8::from(blocked), code.into(), Who(0)),
                    Fate::Repeat { first_ms } => (2, first_ms, Who(0)),
                    Fate::WithoutHistory { group, to } => (3 + u8::from(group), 0, to),
                    Fate::Unwanted { to } => (5, 0, to),
                };
                let ([low, high], [to_low, to_high]) = (halves(send.0), halves(to.0));
                let numbers =
                    [low, high, number.cast_unsigned(), at_ms.cast_unsigned(), to_low, to_high];
                write([SEND, 0, kind], sender.0, &numbers)
            }
        }
    }

    /// The note of a slot; `None`: nothing was written there, or not all of it.
    #[must_use]
    pub fn decode(slot: &Slot) -> Option<Self> {
        let (head, rest) = slot.split_first_chunk::<HEAD_BYTES>()?;
        let [a, b, c, d, kind, platform, ended, _, who @ ..] = *head;
        if crc32c::crc32c(slot.get(4..)?) != u32::from_le_bytes([a, b, c, d]) {
            return None;
        }
        let who = Who(u128::from_le_bytes(who));
        let mut numbers = [0_u64; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(rest.as_chunks::<8>().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        let [n0, n1, n2, n3, n4, n5, n6, n7, n8, ..] = numbers;
        let link = named(n0, n1);
        match kind {
            LINK => {
                let end = why_of(ended).map(|why| End { at_ms: n7.cast_signed(), why });
                let pushed = Pushed {
                    first: Seq(n3),
                    newest: Seq(n4),
                    first_ns: n5.cast_signed(),
                    newest_ns: n6.cast_signed(),
                };
                let [_, index] = parts(n0);
                let (link, opened_ms, untaken) = (link?, n2.cast_signed(), Seq(n8));
                let note = LinkNote { who, platform, link, index, opened_ms, pushed, untaken, end };
                Some(Self::Link(note))
            }
            PULL => {
                let (from, to, at_ms) = (Seq(n2), Seq(n3), n4.cast_signed());
                Some(Self::Pull(PullNote { who, platform, link, from, to, at_ms }))
            }
            SEND => {
                let to = Who(whole(n4, n5));
                let fate = match ended {
                    0 | 1 => {
                        let code = i32::try_from(n2.cast_signed()).ok()?;
                        Fate::Refused { code, blocked: ended == 1 }
                    }
                    2 => Fate::Repeat { first_ms: n2.cast_signed() },
                    3 | 4 => Fate::WithoutHistory { group: ended == 4, to },
                    5 => Fate::Unwanted { to },
                    _ => return None,
                };
                let (send, at_ms) = (SendName(whole(n0, n1)), n3.cast_signed());
                Some(Self::Send(SendNote { sender: who, send, fate, at_ms }))
            }
            _ => None,
        }
    }
}

fn write([kind, platform, ended]: [u8; 3], who: u128, numbers: &[u64]) -> Slot {
    let mut slot = [0; SLOT_BYTES];
    let (head, rest) = slot.split_at_mut(HEAD_BYTES);
    let (marks, its_who) = head.split_at_mut(8);
    marks.copy_from_slice(&[0, 0, 0, 0, kind, platform, ended, 0]);
    its_who.copy_from_slice(&who.to_le_bytes());
    for (to, number) in rest.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *to = number.to_le_bytes();
    }
    let (crc, body) = slot.split_at_mut(4);
    crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    slot
}

/// Whose note lies in a slot, and whether it is of a send: at the price of a look, whether it is whole or not.
#[must_use]
pub fn glance(slot: &Slot) -> (Who, bool) {
    let [_, _, _, _, kind, _, _, _, rest @ ..] = slot;
    let who = rest.first_chunk::<16>().map_or(0, |who| u128::from_le_bytes(*who));
    (Who(who), *kind == SEND)
}

#[allow(clippy::cast_possible_truncation, reason = "a half of the number")]
const fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

fn whole(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// The name of a link in two numbers; of none the second is 0.
fn name(link: Option<LinkName>) -> [u64; 2] {
    link.map_or([0, 0], |LinkName { run_s, shard, number }| {
        [run_s.into(), 1 << 48 | u64::from(shard) << 32 | u64::from(number)]
    })
}

/// The lower and the upper half.
#[allow(clippy::cast_possible_truncation, reason = "a half of the number")]
const fn parts(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

#[allow(clippy::cast_possible_truncation, reason = "a part of the number")]
fn named(run: u64, number: u64) -> Option<LinkName> {
    let ([run_s, _], [of_shard, upper]) = (parts(run), parts(number));
    (upper >> 16 == 1).then_some(LinkName { run_s, shard: upper as u16, number: of_shard })
}

const fn code_of(why: Ended) -> u8 {
    match why {
        Ended::Left => 1,
        Ended::Slow => 2,
        Ended::Closed => 3,
        Ended::Lost => 4,
    }
}

const fn why_of(code: u8) -> Option<Ended> {
    match code {
        1 => Some(Ended::Left),
        2 => Some(Ended::Slow),
        3 => Some(Ended::Closed),
        4 => Some(Ended::Lost),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Note> {
        let who = Who::new("alice");
        let link = LinkName { run_s: u32::MAX, shard: 3, number: u32::MAX - 1 };
        let pushed = Pushed { first: Seq(4), newest: Seq(9), first_ns: -5, newest_ns: i64::MAX };
        let (platform, opened_ms, untaken) = (7, 17, Seq(8));
        let (index, end) = (u32::MAX - 7, None);
        let note = LinkNote { who, platform, link, index, opened_ms, pushed, untaken, end };
        let ended = [Ended::Left, Ended::Slow, Ended::Closed, Ended::Lost]
            .map(|why| Note::Link(LinkNote { end: Some(End { at_ms: 21, why }), ..note }));
        let pull = PullNote { who, platform: 2, link: None, from: Seq(1), to: Seq(3), at_ms: 99 };
        let send =
            |fate| Note::Send(SendNote { sender: who, send: SendName::new("m"), fate, at_ms: 12 });
        let others = [
            Note::Link(note),
            Note::Pull(pull),
            Note::Pull(PullNote { link: Some(link), ..pull }),
            send(Fate::Refused { code: -600, blocked: false }),
            send(Fate::Refused { code: 800, blocked: true }),
            send(Fate::Repeat { first_ms: -7 }),
            send(Fate::WithoutHistory { group: false, to: Who::new("bob") }),
            send(Fate::WithoutHistory { group: true, to: Who(u128::MAX) }),
            send(Fate::Unwanted { to: Who::new("bob") }),
        ];
        ended.into_iter().chain(others).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for note in samples() {
            assert_eq!(Note::decode(&note.encode()), Some(note));
        }
        assert_eq!(Note::decode(&[0; SLOT_BYTES]), None);
    }

    #[test]
    fn a_changed_byte_is_no_note() {
        for note in samples() {
            let slot = note.encode();
            for at in 0..SLOT_BYTES {
                let mut changed = slot;
                changed[at] ^= 1;
                assert_eq!(Note::decode(&changed), None, "{note:?} byte {at}");
            }
        }
    }
}
