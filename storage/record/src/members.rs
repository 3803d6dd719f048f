//! The members that a group message goes to, as they lie in the log behind the message.
//!
//! A message to a group is several records of one batch: the message itself, once, and one or more of
//! these. Members are grouped by the partition that is home to them, so that whoever owns some
//! partitions skips the others without looking at a name.
//!
//! ```text
//! record  = kind 2, zero (3), key of the message u128, section*
//! section = partition u16, bytes u32, members u32, member*
//! member  = mark u16 (length of the uid, high bit: emphasised), uid
//! ```
//! Integers are little-endian. Bytes that do not have this form end the iteration early; the log's
//! checksums see to it that there are none.

use crate::{MessageKey, PartitionId, weight};

/// First byte of an encoded member list.
pub(crate) const KIND_MEMBERS: u8 = 2;
const HEAD_BYTES: usize = 4 + 16;
const SECTION_HEAD_BYTES: usize = 2 + 4 + 4;
const EMPHASISED: u16 = 1 << 15;

/// Writes a member list. Members of one partition must come together.
#[derive(Debug)]
pub struct MembersWriter {
    out: Vec<u8>,
    /// Where the open section's head lies, and its partition.
    open: Option<(usize, PartitionId)>,
    members: u32,
    section_members: u32,
    weight: u64,
}

impl MembersWriter {
    /// An empty list; its key is set by [`Members::set_key`].
    #[must_use]
    pub fn new() -> Self {
        let mut out = vec![0; HEAD_BYTES];
        if let Some(kind) = out.first_mut() {
            *kind = KIND_MEMBERS;
        }
        Self { out, open: None, members: 0, section_members: 0, weight: 0 }
    }

    /// Adds a member. A uid of more than 32 KiB cannot be (see [`crate::UserId`]) and is left out.
    pub fn push(&mut self, partition: PartitionId, uid: &str, emphasised: bool) {
        let Some(length) = u16::try_from(uid.len()).ok().filter(|len| *len < EMPHASISED) else {
            return;
        };
        if self.open.is_none_or(|(_, open)| open != partition) {
            self.close_section();
            self.open = Some((self.out.len(), partition));
            self.out.extend_from_slice(&partition.0.to_le_bytes());
            self.out.extend_from_slice(&[0; SECTION_HEAD_BYTES - 2]);
        }
        let mark = if emphasised { length | EMPHASISED } else { length };
        self.out.extend_from_slice(&mark.to_le_bytes());
        self.out.extend_from_slice(uid.as_bytes());
        self.section_members += 1;
        self.members += 1;
        self.weight = self.weight.wrapping_add(weight(uid));
    }

    /// How many members it has.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.members
    }

    /// The sum of what their uids count for in tickets ([`crate::Stamp`]).
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    /// The encoded list.
    #[must_use]
    pub fn finish(mut self) -> Box<[u8]> {
        self.close_section();
        self.out.into_boxed_slice()
    }

    fn close_section(&mut self) {
        let Some((at, _)) = self.open.take() else { return };
        let bytes = self.out.len() - at - SECTION_HEAD_BYTES;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let members = std::mem::take(&mut self.section_members).to_le_bytes();
        if let Some(head) = self.out.get_mut(at + 2..at + SECTION_HEAD_BYTES) {
            head[..4].copy_from_slice(&bytes);
            head[4..].copy_from_slice(&members);
        }
    }
}

impl Default for MembersWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// A member list, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    key: MessageKey,
    sections: &'a [u8],
}

/// The members of one partition in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Their home.
    pub partition: PartitionId,
    /// How many there are.
    pub members: u32,
    /// Where they begin in the record's bytes.
    pub from: usize,
    /// Where they end.
    pub to: usize,
}

/// One member of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Who.
    pub uid: &'a str,
    /// Named in the message's `forceList`.
    pub emphasised: bool,
}

impl<'a> Members<'a> {
    /// Reads a list; `None` for any other record.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (head, sections) = bytes.split_at_checked(HEAD_BYTES)?;
        let (kind, key) = head.split_at_checked(4)?;
        if kind.first() != Some(&KIND_MEMBERS) {
            return None;
        }
        Some(Self { key: MessageKey(u128::from_le_bytes(key.try_into().ok()?)), sections })
    }

    /// Writes the key of the message that an encoded list belongs to.
    pub fn set_key(bytes: &mut [u8], key: MessageKey) {
        if let Some(slot) = bytes.get_mut(4..HEAD_BYTES) {
            slot.copy_from_slice(&key.0.to_le_bytes());
        }
    }

    /// The message it belongs to.
    #[must_use]
    pub const fn key(&self) -> MessageKey {
        self.key
    }

    /// Its sections.
    pub fn sections(self) -> impl Iterator<Item = Section> + use<'a> {
        let mut rest = self.sections;
        std::iter::from_fn(move || {
            let at = HEAD_BYTES + self.sections.len() - rest.len();
            let (partition, tail) = rest.split_first_chunk::<2>()?;
            let (bytes, tail) = tail.split_first_chunk::<4>()?;
            let (members, tail) = tail.split_first_chunk::<4>()?;
            let bytes = u32::from_le_bytes(*bytes) as usize;
            let (_, tail) = tail.split_at_checked(bytes)?;
            rest = tail;
            let from = at + SECTION_HEAD_BYTES;
            Some(Section {
                partition: PartitionId(u16::from_le_bytes(*partition)),
                members: u32::from_le_bytes(*members),
                from,
                to: from + bytes,
            })
        })
    }

    /// The member that begins at `at` in the record's bytes, and where the next one begins.
    #[must_use]
    pub fn member_at(bytes: &'a [u8], at: usize) -> Option<(Member<'a>, usize)> {
        let (mark, rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
        let mark = u16::from_le_bytes(*mark);
        let length = usize::from(mark & !EMPHASISED);
        let (uid, _) = rest.split_at_checked(length)?;
        let uid = std::str::from_utf8(uid).ok()?;
        Some((Member { uid, emphasised: mark & EMPHASISED != 0 }, at + 2 + length))
    }

    /// The members of a section of `bytes`, the record that it is of.
    pub fn of_section(bytes: &'a [u8], section: Section) -> impl Iterator<Item = Member<'a>> {
        let mut at = section.from;
        std::iter::from_fn(move || {
            if at >= section.to {
                return None;
            }
            let (member, next) = Self::member_at(bytes, at)?;
            at = next;
            Some(member)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u16, String, bool)> {
        let members = Members::decode(bytes).unwrap();
        members
            .sections()
            .flat_map(|section| {
                let of = Members::of_section(bytes, section).collect::<Vec<_>>();
                assert_eq!(of.len(), section.members as usize);
                of.into_iter().map(move |m| (section.partition.0, m.uid.to_owned(), m.emphasised))
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = MembersWriter::new();
        assert!(writer.is_empty());
        writer.push(PartitionId(3), "alice", false);
        writer.push(PartitionId(3), "用户", true);
        writer.push(PartitionId(700), "b", false);
        assert_eq!(writer.len(), 3);
        let mut bytes = writer.finish();
        Members::set_key(&mut bytes, MessageKey(77));
        assert_eq!(Members::decode(&bytes).unwrap().key(), MessageKey(77));
        assert_eq!(
            all(&bytes),
            [
                (3, "alice".to_owned(), false),
                (3, "用户".to_owned(), true),
                (700, "b".to_owned(), false)
            ]
        );
    }

    #[test]
    fn a_cut_list_is_shorter_and_never_wrong() {
        let mut writer = MembersWriter::new();
        for n in 0..9_u16 {
            writer.push(PartitionId(n / 3), &format!("user{n}"), n % 2 == 0);
        }
        let bytes = writer.finish();
        let whole = all(&bytes);
        for len in 0..bytes.len() {
            let Some(members) = Members::decode(&bytes[..len]) else { continue };
            let seen: Vec<_> = members
                .sections()
                .flat_map(|section| Members::of_section(&bytes[..len], section))
                .map(|member| member.uid.to_owned())
                .collect();
            assert!(whole.iter().map(|(_, uid, _)| uid).zip(&seen).all(|(a, b)| a == b));
        }
    }

    #[test]
    fn other_records_are_no_lists() {
        assert!(Members::decode(&[1; 200]).is_none());
        assert!(Members::decode(&[]).is_none());
    }
}
