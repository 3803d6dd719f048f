//! An object, written member by member.
//!
//! In: keys, which are the callers' own literals and need no escapes, and values. Out: text at the end of
//! the caller's buffer. For answers of many small members; what is written once per message spells its
//! keys out instead.

use super::{integer, string};

/// An object whose closing brace [`Object::end`] writes.
#[must_use = "an object that is not ended is no JSON"]
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.with(key, |out| string(out, value))
    }

    pub(crate) fn integer(self, key: &str, value: i64) -> Self {
        self.with(key, |out| integer(out, value))
    }

    /// A member that is left out when it is empty.
    pub(crate) fn filled_text(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.text(key, value) }
    }

    /// A member that is left out when it is 0.
    pub(crate) fn filled_integer(self, key: &str, value: i64) -> Self {
        if value == 0 { self } else { self.integer(key, value) }
    }

    /// A member whose value `write` appends.
    pub(crate) fn with(mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(self.out);
        self
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}
