//! What else the operators' port tells to who knows the secret: why somebody did not get a message, `GET /why`.
//!
//! In: a user and a message, in the query. Out: the JSON that `/manager/why` answers. A shard finds the answer; nobody is
//! waited for here but its channel, which is bounded.

use std::fmt::Write as _;

use openim_record::UserId;
use tokio::sync::{mpsc, oneshot};

use crate::bus::{Inquiry, Named, WhyAsk, WhyTold};

/// Where it is asked.
pub(crate) const PATH: &str = "/why";
const UID_BYTES_MAX: usize = 1024;

/// Has a shard answer.
pub(crate) async fn asked(inquire: &mpsc::Sender<Inquiry>, ask: WhyAsk) -> Option<WhyTold> {
    let (answer, told) = oneshot::channel();
    inquire.try_send(Inquiry { ask, answer }).ok()?;
    told.await.ok().flatten()
}

/// Reads a query, by its keys.
pub(crate) fn read<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<WhyAsk, &'static str> {
    let given = |key: &str| text(key).and_then(plain).filter(|text| !text.is_empty());
    let uid = given("uid").ok_or("uid: who did not get it")?;
    if uid.len() > UID_BYTES_MAX {
        return Err("uid: is too long");
    }
    let named = given("message").as_deref().and_then(Named::read);
    let platform = text("platform").map_or(Ok(0), str::parse);
    let near_ms = text("near").map(str::parse).transpose();
    Ok(WhyAsk {
        uid: UserId::new(&uid),
        platform: platform.ok().filter(|platform| *platform <= 7).ok_or("platform: 1 to 7")?,
        named: named.ok_or("message: a clientMsgID, a serverMsgID, or a seq like seq:7")?,
        sender: given("sender")
            .filter(|uid| uid.len() <= UID_BYTES_MAX)
            .map(|uid| UserId::new(&uid)),
        near_ms: near_ms.map_err(|_| "near: unix milliseconds")?,
    })
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

/// The text that was escaped.
fn plain(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_brings_any_text() {
        for text in ["bob", "1970-01-01 00:00:00-a&b-7", "用户=%+", ""] {
            assert_eq!(plain(&escaped(text)).as_deref(), Some(text));
        }
        assert_eq!(plain("%4"), None);
        assert_eq!(plain("%zz"), None);
    }

    #[test]
    fn what_is_wrong_with_a_query_is_told() {
        let ask = |query: &'static str| {
            read(|key| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')))
        };
        assert!(ask("uid=bob&message=m1&platform=7&near=5&sender=a").is_ok());
        for (query, key) in [
            ("message=m1", "uid"),
            ("uid=bob", "message"),
            ("uid=bob&message=m1&platform=8", "platform"),
            ("uid=bob&message=m1&near=x", "near"),
        ] {
            assert!(ask(query).is_err_and(|told| told.starts_with(key)), "{query}");
        }
    }
}
