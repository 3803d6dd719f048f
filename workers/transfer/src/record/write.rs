//! Records to bytes.
//!
//! Texts are ids, of 64 code points at most, and lists are of a group's members: admission has bounded
//! them, and what was read from a record fits into one.

use openim_record::Role;

use super::{
    EMPHASISED, GroupChanged, KIND_GROUP_CHANGED, KIND_NOTICE, KIND_RELAY, KIND_SEND, Notice,
    Process, Relayed, Sent, Source, VERSION, broken,
};

/// Bytes by which what an owner makes of a send, a relay or a notice, may be longer than it, when the group has so many
/// members: all of them may live in one partition.
#[must_use]
pub const fn longer_by(members: usize) -> usize {
    // The sender is named too; a mark and a length stand before each.
    64 + (members + 1) * (2 + ID_BYTES_MAX)
}

/// 64 code points.
const ID_BYTES_MAX: usize = 256;

impl Sent<'_> {
    /// The bytes of a send to one user.
    #[must_use]
    pub fn encode(origin: Process, message: &[u8]) -> Box<[u8]> {
        let mut out = Writer::new(KIND_SEND, 32 + message.len());
        out.bytes(&origin.0);
        out.bytes(&[0]);
        out.message(message);
        out.finish()
    }

    /// The bytes of a send to a group.
    #[must_use]
    pub fn encode_to_group(
        origin: Process,
        emphasised: &[&str],
        extra: &[&str],
        trusted: bool,
        message: &[u8],
    ) -> Box<[u8]> {
        let mut out = Writer::new(KIND_SEND, 64 + message.len());
        out.bytes(&origin.0);
        out.bytes(&[if trusted { 2 } else { 1 }]);
        out.list(emphasised.iter().copied(), Writer::text);
        out.list(extra.iter().copied(), Writer::text);
        out.message(message);
        out.finish()
    }
}

impl Relayed<'_> {
    /// The bytes of a relay to `members`; to nobody when the message names its receiver itself.
    #[must_use]
    pub fn encode<'m>(
        source: Source,
        sent_ms: i64,
        origin: Process,
        members: impl Iterator<Item = (&'m str, bool)>,
        message: &[u8],
    ) -> Box<[u8]> {
        let mut out = Writer::new(KIND_RELAY, 64 + message.len());
        out.bytes(&[source.of.topic as u8]);
        out.bytes(&source.of.partition.0.to_le_bytes());
        out.bytes(&source.position.0.to_le_bytes());
        out.bytes(&sent_ms.to_le_bytes());
        out.bytes(&origin.0);
        out.list(members, |out, (uid, emphasised)| {
            out.marked(if emphasised { EMPHASISED } else { 0 }, uid);
        });
        out.message(message);
        out.finish()
    }
}

impl GroupChanged<'_> {
    /// The bytes of a change.
    #[must_use]
    pub fn encode(group: &str, version: u64, joined: &[(&str, Role)], left: &[&str]) -> Box<[u8]> {
        let mut out = Writer::new(KIND_GROUP_CHANGED, 64);
        out.text(group);
        out.bytes(&version.to_le_bytes());
        out.list(joined.iter().copied(), |out, (uid, role)| {
            out.bytes(&[role as u8]);
            out.text(uid);
        });
        out.list(left.iter().copied(), Writer::text);
        out.finish()
    }
}

impl Notice<'_> {
    /// The bytes of a notice.
    #[must_use]
    pub fn encode(&self) -> Box<[u8]> {
        let mut out = Writer::new(KIND_NOTICE, 64 + self.message.len());
        out.text(self.uid);
        out.bytes(&self.seq.0.to_le_bytes());
        out.message(self.message);
        out.bytes(&[self.platforms]);
        out.finish()
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(&[VERSION, kind]);
        Self(out)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A length with a mark in its highest bit, and a text.
    fn marked(&mut self, mark: u16, text: &str) {
        let len = u16::try_from(text.len()).ok().filter(|len| *len < EMPHASISED);
        let Some(len) = len else { broken("an id of 32 KiB was not admitted") };
        self.bytes(&(len | mark).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.marked(0, text);
    }

    fn list<T>(&mut self, items: impl Iterator<Item = T>, each: impl Fn(&mut Self, T)) {
        let at = self.0.len();
        self.bytes(&[0; 4]);
        let mut count = 0_u32;
        for item in items {
            each(self, item);
            count += 1;
        }
        let Some(slot) = self.0.get_mut(at..at + 4) else { broken("there was room for the count") };
        slot.copy_from_slice(&count.to_le_bytes());
    }

    fn message(&mut self, message: &[u8]) {
        let Ok(len) = u32::try_from(message.len()) else {
            broken("a message of four gigabytes was not admitted")
        };
        self.bytes(&len.to_le_bytes());
        self.bytes(message);
    }

    fn finish(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }
}
