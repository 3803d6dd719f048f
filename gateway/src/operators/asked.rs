//! What somebody asks by the part of an address behind `?`.

use std::collections::HashMap;

use hyper::StatusCode;

use super::serve::Refusal;

/// Names and what they are given.
pub(super) struct Asked(HashMap<String, String>);

impl Asked {
    pub(super) fn read(query: &str) -> Self {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (plain(name), plain(value))).collect())
    }

    /// Empty without it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// 0 without it.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        match self.text(name) {
            "" => Err(Refusal::new(StatusCode::BAD_REQUEST, "body", format!("{name} is missing"))),
            text => Ok(text),
        }
    }
}

/// Without `%` and `+`; what is no UTF-8 is replaced.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if byte.is_some() { &behind[2..] } else { behind };
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_plain() {
        let asked = Asked::read("find=a%20b%E4%BD%A0+c%&after=&n=7&x");
        assert_eq!((asked.text("find"), asked.text("x"), asked.number("n")), ("a b你 c%", "", 7));
        assert!(asked.needed("after").is_err() && asked.needed("find").is_ok());
    }
}
