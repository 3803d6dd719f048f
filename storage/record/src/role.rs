//! A member's place in a group.

/// A member's place (spec, REST 7.2). One member of a group is its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Ordinary.
    Ordinary = 0,
    /// Owner: one a group.
    Owner = 1,
    /// Administrator.
    Administrator = 2,
}

impl Role {
    /// The role with this number.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Ordinary),
            1 => Some(Self::Owner),
            2 => Some(Self::Administrator),
            _ => None,
        }
    }

    /// The number on the wire and in the tables.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}
