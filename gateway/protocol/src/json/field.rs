//! Known members of one object: which key is which, and what is still owed.
//!
//! In: keys and values as the reader finds them. Out: filled slots, and the set of members whose last
//! value had the wrong type. Holds the two ways in which the original binds keys ([`Nulls`]).

use super::Got;

/// What `null` does to a member that was already given a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Nothing: an earlier duplicate stays (envelope and REST bodies).
    Keep,
    /// It unsets the member (websocket `data`).
    Unset,
}

/// The members that a decoder knows, and their state while an object is read.
pub(crate) struct Fields<const N: usize> {
    names: &'static [&'static str; N],
    nulls: Nulls,
    /// Bit per member: a key in the exact spelling was seen.
    exact: u32,
    /// Bit per member: the value that counts has the wrong type.
    wrong: u32,
}

impl<const N: usize> Fields<N> {
    pub(crate) fn new(names: &'static [&'static str; N], nulls: Nulls) -> Self {
        const { assert!(N <= 32, "one bit per member") };
        Self { names, nulls, exact: 0, wrong: 0 }
    }

    /// Which member a key names, whatever its case; the last duplicate counts.
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.exactly(key).or_else(|| self.folded(key))
    }

    /// As [`Fields::find`], but a key in the exact spelling beats one in another, in any order.
    pub(crate) fn find_exact_first(&mut self, key: &[u8]) -> Option<usize> {
        if let Some(index) = self.exactly(key) {
            self.exact |= 1 << index;
            return Some(index);
        }
        self.folded(key).filter(|index| self.exact & (1 << index) == 0)
    }

    /// Stores the value of a member.
    pub(crate) fn put<T>(&mut self, index: usize, got: Got<T>, slot: &mut Option<T>) {
        match got {
            Got::Value(value) => {
                *slot = Some(value);
                if self.nulls == Nulls::Unset {
                    self.wrong &= !(1 << index);
                }
            }
            Got::Null if self.nulls == Nulls::Keep => {}
            Got::Null => {
                *slot = None;
                self.wrong &= !(1 << index);
            }
            Got::Wrong => {
                if self.nulls == Nulls::Unset {
                    *slot = None;
                }
                self.wrong |= 1 << index;
            }
        }
    }

    /// The names of the members whose value cannot be used.
    pub(crate) fn wrong(&self) -> impl Iterator<Item = &'static str> {
        let wrong = self.wrong;
        self.names
            .iter()
            .enumerate()
            .filter(move |(index, _)| wrong & (1 << index) != 0)
            .map(|(_, name)| *name)
    }

    fn exactly(&self, key: &[u8]) -> Option<usize> {
        self.names.iter().position(|name| name.as_bytes() == key)
    }

    fn folded(&self, key: &[u8]) -> Option<usize> {
        self.names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(key))
    }
}
