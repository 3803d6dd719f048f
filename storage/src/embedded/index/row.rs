//! The parts that keys and rows are made of. Pure.
//!
//! A key is a kind, an owner with its length in front, so that owners stay apart whose ids begin
//! alike, and then raw bytes, so that an owner's rows lie in the order of these. A row begins with
//! the version of its form.

use openim_record::varint;

/// A key of `kind` that belongs to `owner`; `rest` tells the owner's rows apart.
pub(super) fn key(kind: u8, owner: &str, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + owner.len() + rest.len());
    key.push(kind);
    put_id(owner, &mut key);
    key.extend_from_slice(rest);
    key
}

/// Appends an id with its length in front.
pub(super) fn put_id(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(id.len() as u16).to_be_bytes());
    out.extend_from_slice(id.as_bytes());
}

/// The id at the beginning of `bytes`, and what follows it.
pub(super) fn take_id(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(id).ok()?, rest))
}

/// A row that grows.
pub(super) struct Row(Vec<u8>);

impl Row {
    pub(super) fn new(version: u8) -> Self {
        Self(vec![version])
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// A count or an id: small ones take little room.
    pub(super) fn number(mut self, number: u64) -> Self {
        varint::put(number, &mut self.0);
        self
    }

    /// A flag of the wire.
    pub(super) fn flag(mut self, flag: i32) -> Self {
        self.0.extend_from_slice(&flag.to_le_bytes());
        self
    }

    /// Unix milliseconds.
    pub(super) fn time(mut self, ms: i64) -> Self {
        self.0.extend_from_slice(&ms.to_le_bytes());
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        varint::put(text.len() as u64, &mut self.0);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// A row that is read; each part is `None` when the bytes are none.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(row: &'a [u8], version: u8) -> Option<Self> {
        row.strip_prefix(&[version]).map(Self)
    }

    /// Whether nothing follows.
    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        varint::take(&mut self.0)
    }

    pub(super) fn count(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn flag(&mut self) -> Option<i32> {
        self.chunk().map(i32::from_le_bytes)
    }

    pub(super) fn time(&mut self) -> Option<i64> {
        self.chunk().map(i64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }

    /// Gives what was read, when nothing is left over.
    pub(super) fn end<T>(self, read: T) -> Option<T> {
        self.0.is_empty().then_some(read)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_and_nothing_else() {
        let row = Row::new(3).byte(7).number(300).flag(-1).time(-5).text("a\0ü").text("").done();
        let read = |row: &[u8]| {
            let mut fields = Fields::of(row, 3)?;
            let (byte, number, flag) = (fields.byte()?, fields.number()?, fields.flag()?);
            let read = (byte, number, flag, fields.time()?, fields.text()?, fields.text()?);
            fields.end(read)
        };
        assert_eq!(read(&row), Some((7, 300, -1, -5, "a\0ü".to_owned(), String::new())));
        for end in 0..row.len() {
            assert_eq!(read(&row[..end]), None);
        }
        assert_eq!(read(&[&row[..], &[0]].concat()), None);
        assert!(Fields::of(&row, 4).is_none());
    }

    #[test]
    fn rows_of_an_owner_lie_together_in_the_order_of_the_rest() {
        let owned = |rest: &str| key(1, "a", rest.as_bytes());
        assert!(owned("") < owned("b") && owned("b") < owned("b\0") && owned("b\0") < owned("ba"));
        assert!(owned("\u{10ffff}") < key(1, "b", b"") && owned("z") < key(1, "ab", b""));
        assert_ne!(key(1, "ab", b"c"), key(1, "a", b"bc"));
        assert!(key(1, "zzz", b"z") < key(2, "", b""));
    }
}
