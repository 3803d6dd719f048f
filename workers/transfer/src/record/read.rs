//! Bytes to records. Lists are walked once when a record is decoded, so that they can be walked later
//! without an error.

use super::{
    EMPHASISED, GroupChanged, KIND_GROUP_CHANGED, KIND_NOTICE, KIND_RELAY, KIND_SEND, LogPartition,
    Notice, PartitionId, Position, Process, Relayed, Role, Sent, Seq, Source, ToGroup, Topic,
    TopicRecord, Unreadable, VERSION, VERSIONS_MAX, broken,
};
use Unreadable::Damaged;

impl<'a> TopicRecord<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Unreadable`]: of a later build, or none at all.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader { bytes };
        let [version, kind] = reader.take()?;
        let record = match (version, kind) {
            (VERSION, KIND_SEND) => Self::Send(reader.send()?),
            (VERSION, KIND_RELAY) => Self::Relay(reader.relay()?),
            (VERSION, KIND_GROUP_CHANGED) => Self::GroupChanged(reader.group_changed()?),
            (VERSION, KIND_NOTICE) => Self::Notice(reader.notice()?),
            (VERSION..=VERSIONS_MAX, _) => return Err(Unreadable::Newer { version, kind }),
            _ => return Err(Damaged),
        };
        if reader.bytes.is_empty() { Ok(record) } else { Err(Damaged) }
    }
}

/// Ids in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uids<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Uids<'a> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        walk(self.bytes, Reader::text)
    }
}

/// Who has joined a group, in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Joined<'a> {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Role)> {
        walk(self.bytes, Reader::joined)
    }
}

/// The members that a relay is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recipients<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Recipients<'a> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them, and whether the message is emphasised to them.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, bool)> {
        walk(self.bytes, Reader::recipient)
    }
}

/// Walks a list that was walked before: it ends with its bytes.
fn walk<'a, T>(
    bytes: &'a [u8],
    next: fn(&mut Reader<'a>) -> Result<T, Unreadable>,
) -> impl Iterator<Item = T> {
    let mut reader = Reader { bytes };
    std::iter::from_fn(move || {
        let left = !reader.bytes.is_empty();
        left.then(|| next(&mut reader).unwrap_or_else(|_| broken("a list was walked before")))
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(Damaged)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or(Damaged)?;
        self.bytes = rest;
        Ok(head)
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn utf8(&mut self, len: usize) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes(len)?).map_err(|_| Damaged)
    }

    fn text(&mut self) -> Result<&'a str, Unreadable> {
        match self.u16()? {
            len if len < EMPHASISED => self.utf8(usize::from(len)),
            _ => Err(Damaged),
        }
    }

    fn joined(&mut self) -> Result<(&'a str, Role), Unreadable> {
        let [role] = self.take()?;
        let role = Role::from_number(role.into()).ok_or(Damaged)?;
        Ok((self.text()?, role))
    }

    fn recipient(&mut self) -> Result<(&'a str, bool), Unreadable> {
        let mark = self.u16()?;
        let uid = self.utf8(usize::from(mark & !EMPHASISED))?;
        Ok((uid, mark & EMPHASISED != 0))
    }

    /// A list's number of items and their bytes, each of which `next` can read.
    fn list<T>(
        &mut self,
        next: fn(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<(u32, &'a [u8]), Unreadable> {
        let count = self.u32()?;
        let all = self.bytes;
        for _ in 0..count {
            next(self)?;
        }
        let (items, _) = all.split_at_checked(all.len() - self.bytes.len()).ok_or(Damaged)?;
        Ok((count, items))
    }

    fn uids(&mut self) -> Result<Uids<'a>, Unreadable> {
        let (count, bytes) = self.list(Self::text)?;
        Ok(Uids { count, bytes })
    }

    fn message(&mut self) -> Result<&'a [u8], Unreadable> {
        let len = self.u32()?;
        self.bytes(len as usize)
    }

    fn origin(&mut self) -> Result<Process, Unreadable> {
        self.take().map(Process)
    }

    fn send(&mut self) -> Result<Sent<'a>, Unreadable> {
        let origin = self.origin()?;
        let group = match self.take()? {
            [0] => None,
            [how @ (1 | 2)] => {
                let (emphasised, extra) = (self.uids()?, self.uids()?);
                Some(ToGroup { emphasised, extra, trusted: how == 2 })
            }
            _ => return Err(Damaged),
        };
        Ok(Sent { origin, group, message: self.message()? })
    }

    fn relay(&mut self) -> Result<Relayed<'a>, Unreadable> {
        let [topic] = self.take()?;
        let topic = Topic::from_number(topic).ok_or(Damaged)?;
        let of = LogPartition { topic, partition: PartitionId(self.u16()?) };
        let source = Source { of, position: Position(self.u64()?) };
        let sent_ms = i64::from_le_bytes(self.take()?);
        let origin = self.origin()?;
        let (count, bytes) = self.list(Self::recipient)?;
        let members = Recipients { count, bytes };
        Ok(Relayed { source, sent_ms, origin, members, message: self.message()? })
    }

    fn group_changed(&mut self) -> Result<GroupChanged<'a>, Unreadable> {
        let (group, version) = (self.text()?, self.u64()?);
        let (count, bytes) = self.list(Self::joined)?;
        let joined = Joined { count, bytes };
        Ok(GroupChanged { group, version, joined, left: self.uids()? })
    }

    fn notice(&mut self) -> Result<Notice<'a>, Unreadable> {
        let (uid, seq) = (self.text()?, Seq(self.u64()?));
        let message = self.message()?;
        let [platforms] = self.take()?;
        Ok(Notice { uid, seq, message, platforms })
    }
}
