//! The reader: a cursor over a byte slice that hands out borrowed values.
//!
//! In: any bytes. Out: values, or the first [`SyntaxError`]. A value of another type than asked for is
//! not an error here: it is skipped and reported as [`Got::Wrong`], because the answer to it differs
//! between the envelope, `data` and REST. Text that is not UTF-8 (possible in binary frames and REST
//! bodies) and lone surrogates read as U+FFFD. Never recurses, never allocates for text without escapes.

use std::borrow::Cow;

use super::escape::{plain_prefix, unescape};

/// How deep arrays and objects may nest inside a member; deeper text is a syntax error.
pub const DEPTH_MAX: u32 = 128;

/// Why bytes are not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// The text stops inside a value.
    #[error("unexpected end of JSON input")]
    End,
    /// A byte that no JSON value may have at this place.
    #[error("invalid character at byte {0} of the JSON text")]
    Unexpected(u32),
    /// More than [`DEPTH_MAX`] arrays and objects inside each other.
    #[error("JSON nested too deeply at byte {0}")]
    TooDeep(u32),
}

/// One value as a reader found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got<T> {
    Value(T),
    Null,
    /// Another JSON type, or an integer out of range. The value has been skipped.
    Wrong,
}

/// A string between its quotes, still escaped. Where it is, because a slice of the checked text is
/// taken for values and a slice of the bytes for keys.
#[derive(Clone, Copy, Default)]
struct RawText {
    start: usize,
    end: usize,
    escaped: bool,
}

/// A key of an object, perhaps still escaped.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Key<'a> {
    /// The key without escapes.
    pub(crate) fn resolve(self) -> Cow<'a, [u8]> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// The key, unless it holds escapes.
    pub(crate) fn plain(self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }
}

/// The cursor. After an error its position is unspecified and nothing more may be read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// The same bytes, if they are UTF-8: checked once, so that each string is a plain slice.
    utf8: Option<&'a str>,
    at: usize,
    /// The string passed last. Kept here because a result that carries it costs each string more than
    /// finding its end does.
    last: RawText,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, utf8: std::str::from_utf8(bytes).ok(), at: 0, last: RawText::default() }
    }

    /// Where the next value starts.
    pub(crate) fn start_of_value(&mut self) -> Result<usize, SyntaxError> {
        self.peek()?;
        Ok(self.at)
    }

    /// The text from a position that the cursor has passed.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.slice(start, self.at)
    }

    /// Whether anything but white space is left.
    pub(crate) fn has_more(&mut self) -> bool {
        self.peek().is_ok()
    }

    /// Requires that only white space is left.
    pub(crate) fn finish(&mut self) -> Result<(), SyntaxError> {
        if self.has_more() { Err(unexpected(self.at)) } else { Ok(()) }
    }

    /// Steps over the opening brace; any other value is skipped.
    pub(crate) fn enter_object(&mut self) -> Result<Got<()>, SyntaxError> {
        if self.peek()? == b'{' {
            self.at += 1;
            return Ok(Got::Value(()));
        }
        self.other()
    }

    /// Moves to the value of the next member of the object entered; false past its end.
    /// `first` is true for the first call only.
    pub(crate) fn next_member(&mut self, first: bool) -> Result<bool, SyntaxError> {
        let mut byte = self.peek()?;
        if byte == b'}' {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            if byte != b',' {
                return Err(unexpected(self.at));
            }
            self.at += 1;
            byte = self.peek()?;
        }
        if byte != b'"' {
            return Err(unexpected(self.at));
        }
        self.raw_text()?;
        self.expect(b':')?;
        Ok(true)
    }

    /// The key of the member moved to.
    #[inline]
    pub(crate) fn key(&self) -> Key<'a> {
        Key { raw: self.slice(self.last.start, self.last.end), escaped: self.last.escaped }
    }

    /// A string.
    pub(crate) fn text(&mut self) -> Result<Got<Cow<'a, str>>, SyntaxError> {
        if self.peek()? == b'"' {
            return Ok(Got::Value(self.decoded_text()?));
        }
        self.other()
    }

    /// An integer written without fraction or exponent that fits `T`.
    pub(crate) fn integer<T: TryFrom<i64>>(&mut self) -> Result<Got<T>, SyntaxError> {
        if !matches!(self.peek()?, b'-' | b'0'..=b'9') {
            return self.other();
        }
        Ok(narrow(parse_integer(self.number()?)))
    }

    /// An integer as above, or a string that holds one.
    pub(crate) fn lenient_integer<T: TryFrom<i64>>(&mut self) -> Result<Got<T>, SyntaxError> {
        if self.peek()? != b'"' {
            return self.integer();
        }
        let text = self.decoded_text()?;
        Ok(narrow(parse_integer(text.as_bytes())))
    }

    /// An object's own text.
    pub(crate) fn object_text(&mut self) -> Result<Got<Cow<'a, str>>, SyntaxError> {
        if self.peek()? != b'{' {
            return self.other();
        }
        let start = self.at;
        self.skip_value()?;
        Ok(Got::Value(self.unescaped(start, self.at)))
    }

    /// Steps over an object.
    pub(crate) fn skip_object(&mut self) -> Result<Got<()>, SyntaxError> {
        if self.peek()? != b'{' {
            return self.other();
        }
        self.skip_value()?;
        Ok(Got::Value(()))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<Got<bool>, SyntaxError> {
        match self.peek()? {
            b't' => self.literal(b"true").map(|()| Got::Value(true)),
            b'f' => self.literal(b"false").map(|()| Got::Value(false)),
            _ => self.other(),
        }
    }

    /// An array of strings.
    pub(crate) fn texts(&mut self) -> Result<Got<Vec<Cow<'a, str>>>, SyntaxError> {
        self.array(usize::MAX, Self::text)
    }

    /// An array of what `element` reads. Of more than `elements_max` only one is kept above the bound, so
    /// that a short text cannot grow into a long list and its length still shows.
    pub(crate) fn array<T>(
        &mut self,
        elements_max: usize,
        mut element: impl FnMut(&mut Self) -> Result<Got<T>, SyntaxError>,
    ) -> Result<Got<Vec<T>>, SyntaxError> {
        if self.peek()? != b'[' {
            return self.other();
        }
        self.at += 1;
        let mut elements = Vec::new();
        let mut wrong = false;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Got::Value(elements));
        }
        loop {
            match element(self)? {
                Got::Value(value) if elements.len() <= elements_max => elements.push(value),
                Got::Value(_) => {}
                Got::Null | Got::Wrong => wrong = true,
            }
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(if wrong { Got::Wrong } else { Got::Value(elements) });
                }
                _ => return Err(unexpected(self.at)),
            }
        }
    }

    /// Steps over one value of any type, checking its syntax.
    pub(crate) fn skip_value(&mut self) -> Result<(), SyntaxError> {
        // One bit per open array (0) or object (1): the whole stack is one word.
        let mut open: u128 = 0;
        let mut depth = 0u32;
        loop {
            match self.peek()? {
                byte @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return Err(SyntaxError::TooDeep(offset(self.at)));
                    }
                    self.at += 1;
                    let object = byte == b'{';
                    let empty = self.peek()? == if object { b'}' } else { b']' };
                    if !empty {
                        open = (open << 1) | u128::from(object);
                        depth += 1;
                        if object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                b'"' => {
                    self.raw_text()?;
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => return Err(unexpected(self.at)),
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = open & 1 == 1;
                match (self.peek()?, object) {
                    (b',', _) => {
                        self.at += 1;
                        if object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        open >>= 1;
                        depth -= 1;
                    }
                    _ => return Err(unexpected(self.at)),
                }
            }
        }
    }

    /// `null`, or a value that the caller has no use for.
    fn other<T>(&mut self) -> Result<Got<T>, SyntaxError> {
        if self.peek()? == b'n' {
            self.literal(b"null")?;
            return Ok(Got::Null);
        }
        self.skip_value()?;
        Ok(Got::Wrong)
    }

    fn skip_key(&mut self) -> Result<(), SyntaxError> {
        if self.peek()? != b'"' {
            return Err(unexpected(self.at));
        }
        self.raw_text()?;
        self.expect(b':')
    }

    /// The next byte that is not white space, not consumed.
    #[inline]
    fn peek(&mut self) -> Result<u8, SyntaxError> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(SyntaxError::End),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek()? != byte {
            return Err(unexpected(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        for (offset, &expected) in word.iter().enumerate() {
            match self.bytes.get(self.at + offset) {
                Some(&byte) if byte == expected => {}
                Some(_) => return Err(unexpected(self.at + offset)),
                None => return Err(SyntaxError::End),
            }
        }
        self.at += word.len();
        Ok(())
    }

    /// A number's text, checked against the grammar.
    fn number(&mut self) -> Result<&'a [u8], SyntaxError> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.slice(start, self.at))
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        Err(if self.at == self.bytes.len() { SyntaxError::End } else { unexpected(self.at) })
    }

    /// From the opening quote under the cursor to past the closing one; escapes are checked.
    #[inline]
    fn raw_text(&mut self) -> Result<(), SyntaxError> {
        let start = self.at + 1;
        let end = start + plain_prefix(self.bytes.get(start..).unwrap_or_default());
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            self.last = RawText { start, end, escaped: false };
            return Ok(());
        }
        self.escaped_text(start, end)
    }

    /// The rest of a string whose plain part ends at `at`.
    fn escaped_text(&mut self, start: usize, mut at: usize) -> Result<(), SyntaxError> {
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += self.escape_length(at)?,
                Some(_) => return Err(unexpected(at)),
                None => return Err(SyntaxError::End),
            }
            at += plain_prefix(self.bytes.get(at..).unwrap_or_default());
        }
        self.at = at + 1;
        self.last = RawText { start, end: at, escaped: true };
        Ok(())
    }

    fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The string under the cursor, unescaped.
    fn decoded_text(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.raw_text()?;
        let raw = self.last;
        if !raw.escaped {
            return Ok(self.unescaped(raw.start, raw.end));
        }
        Ok(Cow::Owned(match String::from_utf8(unescape(self.slice(raw.start, raw.end))) {
            Ok(text) => text,
            Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
        }))
    }

    /// A part of the text as it is.
    fn unescaped(&self, start: usize, end: usize) -> Cow<'a, str> {
        match self.utf8.and_then(|text| text.get(start..end)) {
            Some(text) => Cow::Borrowed(text),
            None => String::from_utf8_lossy(self.slice(start, end)),
        }
    }

    /// How long the escape that starts at `at` is.
    fn escape_length(&self, at: usize) -> Result<usize, SyntaxError> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => {
                for digit in at + 2..at + 6 {
                    match self.bytes.get(digit) {
                        Some(byte) if byte.is_ascii_hexdigit() => {}
                        Some(_) => return Err(unexpected(digit)),
                        None => return Err(SyntaxError::End),
                    }
                }
                Ok(6)
            }
            Some(_) => Err(unexpected(at + 1)),
            None => Err(SyntaxError::End),
        }
    }
}

fn unexpected(at: usize) -> SyntaxError {
    SyntaxError::Unexpected(offset(at))
}

/// Positions in texts beyond 4 GiB are not worth a wider error.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn narrow<T: TryFrom<i64>>(integer: Option<i64>) -> Got<T> {
    match integer.and_then(|wide| T::try_from(wide).ok()) {
        Some(value) => Got::Value(value),
        None => Got::Wrong,
    }
}

/// Digits with an optional minus sign; `None` for anything else and beyond 64 bits.
fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    // Summed downwards, because only the negative side holds i64::MIN.
    let mut sum = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum = sum.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(sum) } else { sum.checked_neg() }
}
