//! Known members of one object: which key is which, and what is still owed.
//!
//! In: keys and values as the reader finds them. Out: filled slots, and the set of members whose last
//! value had the wrong type. Holds the two ways in which the original binds keys ([`Nulls`]).

use super::read::{Got, Key};

/// What `null` does to a member that was already given a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Nothing: an earlier duplicate stays (envelope and REST bodies).
    Keep,
    /// It unsets the member (websocket `data`).
    Unset,
}

/// The keys that one kind of object may have. [`keys!`](keys) makes them.
pub(crate) struct Keys {
    /// For messages, and for keys in another case.
    pub(crate) names: &'static [&'static str],
    /// Which one is spelled exactly so. A function, because the compiler turns comparisons with known
    /// literals into a few instructions each; a loop over `names` costs a tenth of a whole decode.
    pub(crate) exactly: fn(&[u8]) -> Option<usize>,
}

/// Defines the [`Keys`] of an object; the index of each is its place in the list.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident = $($index:literal: $key:literal,)*) => {
        $(#[$doc])*
        static $name: $crate::json::Keys = $crate::json::Keys {
            names: &[$($key,)*],
            exactly: {
                fn exactly(key: &[u8]) -> Option<usize> {
                    $(
                        const { assert!($index < 32, "one bit per member") };
                        if key == $key.as_bytes() {
                            return Some($index);
                        }
                    )*
                    None
                }
                exactly
            },
        };
    };
}
pub(crate) use keys;

/// The state of the known members while an object is read.
pub(crate) struct Fields {
    keys: &'static Keys,
    nulls: Nulls,
    /// Bit per member: a key in the exact spelling was seen.
    exact: u32,
    /// Bit per member: the value that counts has the wrong type.
    wrong: u32,
}

impl Fields {
    pub(crate) fn new(keys: &'static Keys, nulls: Nulls) -> Self {
        Self { keys, nulls, exact: 0, wrong: 0 }
    }

    /// Which member a key names, whatever its case; the last duplicate counts.
    #[inline]
    pub(crate) fn find(&mut self, key: Key<'_>) -> Option<usize> {
        self.exactly(key).or_else(|| self.folded(key))
    }

    /// As [`Fields::find`], but a key in the exact spelling beats one in another, in any order.
    #[inline]
    pub(crate) fn find_exact_first(&mut self, key: Key<'_>) -> Option<usize> {
        if let Some(index) = self.exactly(key) {
            self.exact |= 1 << index;
            return Some(index);
        }
        self.folded(key).filter(|index| self.exact & (1 << index) == 0)
    }

    /// Stores the value of a member.
    #[inline]
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
        let names = self.keys.names.iter().enumerate();
        names.filter(move |(index, _)| wrong & (1 << index) != 0).map(|(_, name)| *name)
    }

    #[inline]
    fn exactly(&self, key: Key<'_>) -> Option<usize> {
        match key.plain() {
            Some(key) => (self.keys.exactly)(key),
            None => (self.keys.exactly)(&key.resolve()),
        }
    }

    fn folded(&self, key: Key<'_>) -> Option<usize> {
        let key = key.resolve();
        self.keys.names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(&key))
    }
}
