//! `openim kick`, `ban` and `unban`: what an operator does to a user, with a reason that is in the audit.

use anyhow::Context as _;
use openim_workers::utc;
use serde_json::{Value, json};

use super::Desk;
use super::sheet::{line, plain};
use crate::{console, moment};

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Their links are closed: those of one platform, or all.
    Kick {
        /// 1 to 7.
        platform: Option<u8>,
    },
    /// They cannot log in, until this time, or for good.
    Ban {
        /// Unix seconds.
        until_s: Option<i64>,
    },
    /// They can again.
    Unban,
}

/// Has the server do it, and says what came of it.
///
/// # Errors
/// One line of why it was not done.
pub fn act(desk: &Desk, uid: &str, act: &Act, reason: &str) -> anyhow::Result<()> {
    let mut body = json!({ "uid": uid, "reason": reason });
    // What is not asked for is not sent: the server takes nothing that it would have to guess at.
    let name = match act {
        Act::Kick { platform } => {
            platform.iter().for_each(|platform| body["platform"] = (*platform).into());
            "kick"
        }
        Act::Ban { until_s } => {
            until_s.iter().for_each(|until_s| body["until"] = (*until_s).into());
            "ban"
        }
        Act::Unban => "unban",
    };
    let told = desk.call("POST", &format!("act/{name}"), body.to_string().as_bytes());
    let told = told.with_context(|| plain(uid))?;
    console::print(&if desk.as_json { line(&told) } else { done(uid, act, &told) })
}

fn done(uid: &str, act: &Act, told: &Value) -> String {
    let uid = plain(uid);
    match act {
        Act::Kick { .. } => match told["closed"].as_u64().unwrap_or(0) {
            1 => format!("{uid}: 1 link closed\n"),
            links => format!("{uid}: {links} links closed\n"),
        },
        Act::Ban { until_s: None } => format!("{uid}: banned for good\n"),
        Act::Ban { until_s: Some(until_s) } => {
            format!("{uid}: banned until {}\n", utc(until_s.saturating_mul(1_000)))
        }
        Act::Unban => format!("{uid}: banned no more\n"),
    }
}

/// A time to come, as unix seconds: `2021-06-30`, `2021-06-30T12:30:00Z`, or unix milliseconds.
///
/// # Errors
/// What it must be like.
pub fn until(text: &str) -> Result<i64, &'static str> {
    let seconds = moment::in_utc(text)?.div_euclid(1_000);
    // The server takes no other.
    if seconds > 0 { Ok(seconds) } else { Err("it must be a time to come") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told() {
        let kick = Act::Kick { platform: None };
        assert_eq!(done("a\u{1b}", &kick, &json!({ "closed": 2 })), "a\u{fffd}: 2 links closed\n");
        assert_eq!(done("a", &kick, &json!({ "closed": 1 })), "a: 1 link closed\n");
        let ban = |until_s| done("a", &Act::Ban { until_s }, &json!({}));
        assert_eq!(ban(None), "a: banned for good\n");
        assert_eq!(
            ban(until("2021-06-01T12:00:00Z").ok()),
            "a: banned until 2021-06-01 12:00:00 UTC\n"
        );
        assert!(until("0").is_err() && until("soon").is_err());
    }
}
