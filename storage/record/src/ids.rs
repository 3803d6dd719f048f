//! Newtypes that keep a seq from being taken for a position.

use std::borrow::Borrow;
use std::fmt;

/// A user's id as the app chose it: 1 to 64 code points, no white space (spec, REST 1.6).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Box<str>);

impl UserId {
    /// Wraps a uid that a codec has validated.
    #[must_use]
    pub fn new(uid: &str) -> Self {
        Self(uid.into())
    }

    /// The uid as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A group's id as the server made it (spec, REST 7.4): lives in a home partition like a user's.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(Box<str>);

impl GroupId {
    /// Wraps an id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for GroupId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A place in one user's inbox: 1, 2, 3 … without gap; 0 means "none" (spec, websocket 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The seq after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a record begins in the log: a byte offset that only grows, over all segments ever written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One of the fixed number of partitions that users are hashed onto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

/// A process of a cluster, drawn anew at each start; or one of its fronts, of which each of its shards is one. The last
/// two bytes are the number of the front; the process is named as its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(pub [u8; 16]);

impl Process {
    /// The front with this number of the same process.
    #[must_use]
    pub const fn front(self, number: u16) -> Self {
        let mut id = self.0;
        let [.., low, high] = &mut id;
        [*low, *high] = number.to_le_bytes();
        Self(id)
    }

    /// The number of this front.
    #[must_use]
    pub const fn number(self) -> u16 {
        let [.., low, high] = self.0;
        u16::from_le_bytes([low, high])
    }

    /// The process of this front.
    #[must_use]
    pub const fn base(self) -> Self {
        self.front(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_is_its_process_with_a_number() {
        let process = Process([7; 16]).base();
        assert_eq!(process.0, [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0]);
        let front = process.front(0x0102);
        assert_eq!(front.0[14..], [2, 1]);
        assert_eq!((front.number(), front.base()), (0x0102, process));
    }
}
