//! What somebody asks by the part of an address behind `?`.

use std::collections::HashMap;
use std::fmt::Write as _;

/// Names and what they are given.
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    pub(crate) fn read(query: &str) -> Self {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (plain(name), plain(value))).collect())
    }

    /// Empty without it.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// `None` without it, and where it is none.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }
}

/// Without `%` and `+`; what is no UTF-8 is replaced.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex =
            behind.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if byte.is_some() { &behind[2..] } else { behind };
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as it may stand in a query.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(byte.into()),
            false => {
                let _infallible = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_plain() {
        let query = Query::read("find=a%20b%E4%BD%A0+c%&after=&n=7&x");
        assert_eq!((query.text("find"), query.text("x")), ("a b你 c%", ""));
        assert_eq!(
            [query.number("n"), query.number("find"), query.number("m")],
            [Some(7), None, None]
        );
    }

    #[test]
    fn a_query_brings_any_text() {
        for text in ["bob", "1970-01-01 00:00:00-a&b-7", "用户=%+7", ""] {
            assert_eq!(Query::read(&format!("a={}", escaped(text))).text("a"), text);
        }
    }
}
