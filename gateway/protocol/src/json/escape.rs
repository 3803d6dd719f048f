//! Strings between their quotes: where the plain text ends, and what escapes stand for.
//!
//! In: bytes of a string. Out: a length, or the bytes without escapes. Syntax is the reader's to check.

/// How many bytes at the front a string may hold as they are: up to a quote, a backslash, a control
/// character or the end. Eight bytes per step: most of a message is string content.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // A borrow can only raise a flag above the first true one, so the lowest flag is exact.
        let stops = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if stops != 0 {
            return index * 8 + (stops.trailing_zeros() / 8) as usize;
        }
    }
    let in_tail = tail.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    words.len() * 8 + in_tail.unwrap_or(tail.len())
}

/// Resolves escapes that the reader has checked.
pub(super) fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(plain);
        out.extend_from_slice(before);
        let mut used = 2;
        match escape.get(1) {
            Some(b'b') => out.push(0x08),
            Some(b'f') => out.push(0x0c),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                let (letter, length) = unicode_escape(escape);
                used = length;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(&itself) => out.push(itself),
            None => {}
        }
        rest = escape.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// The character of a `\uXXXX` escape, or of the surrogate pair that starts with it, and its length.
/// Half a pair is U+FFFD, as in the clients' own libraries.
fn unicode_escape(escape: &[u8]) -> (char, usize) {
    let high = code_unit(escape);
    if !(0xd800..0xdc00).contains(&high) {
        return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
    }
    let rest = escape.get(6..).unwrap_or_default();
    let low = if rest.starts_with(b"\\u") { code_unit(rest) } else { 0 };
    if !(0xdc00..0xe000).contains(&low) {
        return (char::REPLACEMENT_CHARACTER, 6);
    }
    let joined = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
}

/// The four hexadecimal digits after `\u`.
fn code_unit(escape: &[u8]) -> u32 {
    let digits = escape.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |sum, &digit| (sum << 4) | char::from(digit).to_digit(16).unwrap_or(0))
}
