//! Relations in the index: four lists for each owner, and how long they are. Pure.
//!
//! ```text
//! 1 owner friend      comment, since when
//! 2 owner blocked     since when
//! 3 asked applicant   the request
//! 4 applicant asked   the same again, for the list of those sent
//! 5 owner             length of each list
//! ```

use openim_record::UserId;

use super::row::{Fields, Row, key, take_id};
use crate::port::{Friend, FriendRequest};

const VERSION: u8 = 1;
const LENGTHS: u8 = 5;

/// A list that a user owns; its number is the kind in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum List {
    Friends = 1,
    Blocked = 2,
    Received = 3,
    Sent = 4,
}

/// What the keys of an owner's list begin with; the other user's bytes follow.
pub(crate) fn list_key(list: List, owner: &UserId) -> Vec<u8> {
    key(list as u8, owner.as_str(), b"")
}

/// Key of an entry.
pub(crate) fn entry_key(list: List, owner: &UserId, peer: &UserId) -> Vec<u8> {
    key(list as u8, owner.as_str(), peer.as_str().as_bytes())
}

/// What the key of an entry says; `None` for the other rows, which lie behind all entries.
pub(crate) fn entry_of(key: &[u8]) -> Option<(List, UserId, UserId)> {
    let (&kind, rest) = key.split_first()?;
    let list = match kind {
        1 => List::Friends,
        2 => List::Blocked,
        3 => List::Received,
        4 => List::Sent,
        _ => return None,
    };
    let (owner, peer) = take_id(rest)?;
    Some((list, UserId::new(owner), peer_of(peer)?))
}

/// Key of the lengths of an owner's lists.
pub(crate) fn lengths_key(owner: &UserId) -> Vec<u8> {
    key(LENGTHS, owner.as_str(), b"")
}

/// The user whose bytes these are.
pub(crate) fn peer_of(rest: &[u8]) -> Option<UserId> {
    std::str::from_utf8(rest).ok().map(UserId::new)
}

/// How long an owner's lists are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths([u32; 4]);

impl Lengths {
    pub(crate) const fn of(&mut self, list: List) -> &mut u32 {
        &mut self.0[list as usize - 1]
    }

    /// Whether there is nothing to be remembered.
    pub(crate) fn is_zero(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().fold(Row::new(VERSION), |row, length| row.number((*length).into())).done()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(row, VERSION)?;
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = fields.count()?;
        }
        fields.end(Self(lengths))
    }
}

pub(crate) fn encode_friend(comment: &str, create_ms: i64) -> Vec<u8> {
    Row::new(VERSION).time(create_ms).text(comment).done()
}

pub(crate) fn decode_friend(uid: UserId, row: &[u8]) -> Option<Friend> {
    let mut fields = Fields::of(row, VERSION)?;
    let (create_ms, comment) = (fields.time()?, fields.text()?);
    fields.end(Friend { uid, comment, create_ms })
}

pub(crate) fn encode_blocked(create_ms: i64) -> Vec<u8> {
    Row::new(VERSION).time(create_ms).done()
}

/// A request as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestRow {
    pub(crate) flag: i32,
    /// Whether it was ever agreed to; a refusal afterwards does not take that back.
    pub(crate) agreed: bool,
    pub(crate) message: String,
    pub(crate) create_ms: i64,
}

impl RequestRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { flag, agreed, message, create_ms } = self;
        Row::new(VERSION).flag(*flag).byte((*agreed).into()).time(*create_ms).text(message).done()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(row, VERSION)?;
        let (flag, agreed) = (fields.flag()?, fields.byte()? != 0);
        let (create_ms, message) = (fields.time()?, fields.text()?);
        fields.end(Self { flag, agreed, message, create_ms })
    }

    pub(crate) fn named(self, from: UserId, to: UserId) -> FriendRequest {
        let Self { flag, agreed: _, message, create_ms } = self;
        FriendRequest { from, to, flag, message, create_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_and_damage_is_noticed() {
        let uid = || UserId::new("b");
        let row = encode_friend("my friend", 7);
        let friend = decode_friend(uid(), &row).unwrap();
        assert_eq!((&*friend.comment, friend.create_ms), ("my friend", 7));
        assert_eq!(decode_friend(uid(), &row[..row.len() - 1]), None);
        let message = "hello".to_owned();
        let request = RequestRow { flag: -1, agreed: true, message, create_ms: 9 };
        assert_eq!(RequestRow::decode(&request.encode()), Some(request));
        assert_eq!(RequestRow::decode(&row), None);
        let mut lengths = Lengths::default();
        assert!(lengths.is_zero());
        *lengths.of(List::Sent) = 300;
        assert!(!lengths.is_zero());
        assert_eq!(Lengths::decode(&lengths.encode()), Some(lengths));
        assert_eq!(Lengths::decode(&[]), None);
    }

    #[test]
    fn an_entry_lies_in_its_list() {
        let (a, b) = (UserId::new("a"), UserId::new("b"));
        for list in [List::Friends, List::Blocked, List::Received, List::Sent] {
            let key = entry_key(list, &a, &b);
            let rest = key.strip_prefix(&list_key(list, &a)[..]).unwrap();
            assert_eq!(peer_of(rest), Some(b.clone()));
            assert_eq!(entry_of(&key), Some((list, a.clone(), b.clone())));
        }
        assert_eq!(peer_of(b"\xff"), None);
        assert_eq!(entry_of(&lengths_key(&a)), None);
    }
}
