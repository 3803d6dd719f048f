//! The query part of the request target: three keys, decoded as leniently as the known clients need.
//!
//! The published client does not encode uid and token, so that raw bytes, also a lone `%`, stand for
//! themselves. `+` is a blank and `%41` an `A`, as the original's library reads them.

use std::borrow::Cow;

/// The login parameters. Presence is what counts: `token=` and `token` are present and empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login<'a> {
    pub(super) token: Option<Cow<'a, str>>,
    pub(super) send_id: Option<Cow<'a, str>>,
    pub(super) platform_id: Option<Cow<'a, str>>,
}

impl<'a> Login<'a> {
    /// Reads the query (without its `?`); the first value of a repeated key wins.
    pub(super) fn parse(query: &'a [u8]) -> Self {
        let mut login = Self::default();
        for pair in query.split(|&byte| byte == b'&') {
            let (key, value) = match memchr::memchr(b'=', pair) {
                Some(at) => {
                    (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default())
                }
                None => (pair, &[][..]),
            };
            let slot = match decode(key).as_ref() {
                "token" => &mut login.token,
                "sendID" => &mut login.send_id,
                "platformID" => &mut login.platform_id,
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(decode(value));
            }
        }
        login
    }
}

/// Decodes one key or value; borrows when nothing is encoded. Bytes that are not UTF-8 become U+FFFD,
/// which no uid or token contains, so that the login fails.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => break,
            [b'+', tail @ ..] => {
                bytes.push(b' ');
                tail
            }
            [b'%', high, low, tail @ ..]
                if let (Some(high), Some(low)) = (hex(*high), hex(*low)) =>
            {
                bytes.push(high << 4 | low);
                tail
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
    Cow::Owned(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

const fn hex(digit: u8) -> Option<u8> {
    Some(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_decode_as_the_original_reads_them() {
        for (raw, decoded) in [
            ("", ""),
            ("plain", "plain"),
            ("a+b", "a b"),
            ("a%20b%2Bc", "a b+c"),
            ("%e4%BD%a0", "你"),
            ("你", "你"),
            ("50%", "50%"),
            ("50%o", "50%o"),
            ("50%off", "50%off"),
            ("%%41", "%A"),
        ] {
            assert_eq!(decode(raw.as_bytes()), decoded, "{raw}");
        }
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(decode(b"a%ffb"), "a\u{fffd}b");
    }

    #[test]
    fn the_first_value_wins_and_empty_is_present() {
        let login = Login::parse(b"&token=a&token=b&platformID&x=1&send%49D=&sendID=u");
        assert_eq!(login.token.as_deref(), Some("a"));
        assert_eq!(login.platform_id.as_deref(), Some(""));
        assert_eq!(login.send_id.as_deref(), Some(""));
        assert_eq!(Login::parse(b"Token=a&sendid=b"), Login::default());
    }
}
