//! Why somebody did not get a message: what is asked, and what a home finds of it.

use openim_protocol::rest::{WhyAnswer, WhyMessage, why_answer};
use openim_record::{InboxBounds, MessageKey, Seq, UserId};
use openim_why::{Language, Reason};
use tokio::sync::oneshot;

/// A message by what somebody knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Its place in the inbox that is asked about.
    Seq(Seq),
    /// The id that its client gave it.
    Client(String),
    /// The id that the server gave it: the uid of its sender, perhaps cut, and a number.
    Server(String, u64),
}

/// Digits of the longest number that is taken for a seq.
const SEQ_DIGITS_MAX: usize = 10;

impl Named {
    /// What somebody wrote: `seq:7` or a short number, `id:…` or any other text, a `serverMsgID` by its form.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let seq = |text: &str| text.parse().ok().map(|seq| Self::Seq(Seq(seq)));
        if let Some(text) = text.strip_prefix("seq:") {
            return seq(text);
        }
        if let Some(id) = text.strip_prefix("id:") {
            return (!id.is_empty()).then(|| Self::Client(id.to_owned()));
        }
        let short = text.len() <= SEQ_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
        match server_id(text) {
            Some(named) => Some(named),
            None if text.is_empty() => None,
            None if short => seq(text),
            None => Some(Self::Client(text.to_owned())),
        }
    }
}

/// The parts of a `serverMsgID`: a time, which says nothing, the sender, a number of the key.
fn server_id(text: &str) -> Option<Named> {
    let (stamp, rest) = text.split_at_checked("1970-01-01 00:00:00".len())?;
    let rest = rest.strip_prefix('-')?;
    let is_stamp = stamp.bytes().zip(b"0000-00-00 00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == *form,
    });
    let (sender, number) = rest.rsplit_once('-')?;
    let number = number.parse().ok().filter(|_| is_stamp)?;
    Some(Named::Server(sender.to_owned(), number))
}

/// Whether a message has this `serverMsgID`.
pub(crate) fn has_number(key: MessageKey, number: u64) -> bool {
    key.0 & u128::from(u64::MAX >> 1) == u128::from(number)
}

/// The question.
#[derive(Clone, Debug)]
pub(crate) struct WhyAsk {
    /// Who did not get it.
    pub(crate) uid: UserId,
    /// Which device of theirs, 1 to 7; 0: any.
    pub(crate) platform: u8,
    /// What.
    pub(crate) named: Named,
    /// Who sent it, if that is known.
    pub(crate) sender: Option<UserId>,
    /// About when it was sent, unix milliseconds, if that is known.
    pub(crate) near_ms: Option<i64>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Where in the inbox that was looked through.
    pub(crate) seq: Seq,
    pub(crate) key: MessageKey,
    pub(crate) send_id: String,
    pub(crate) recv_id: String,
    pub(crate) client_msg_id: String,
    pub(crate) session_type: i32,
    pub(crate) content_type: i32,
    /// When it was sent, unix milliseconds.
    pub(crate) sent_ms: i64,
    /// From which platform.
    pub(crate) origin_platform: u8,
    /// Its author's other devices get a copy.
    pub(crate) copied: bool,
    /// Its receiver did not want it.
    pub(crate) unwanted: bool,
}

/// What one inbox has of it.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    pub(crate) bounds: InboxBounds,
    pub(crate) seen: Option<Seen>,
    /// When the oldest message that is kept was sent, unix milliseconds.
    pub(crate) oldest_ms: Option<i64>,
    /// All that was sent since was looked at, unix milliseconds; 0: all that is kept.
    pub(crate) back_to_ms: i64,
    /// All that was to be looked at was: what was not found is not there.
    pub(crate) complete: bool,
}

/// The answer.
#[derive(Clone, Debug)]
pub(crate) struct WhyTold {
    pub(crate) reason: Reason,
    /// The message, if it was found.
    pub(crate) seen: Option<Seen>,
    /// Its place in the inbox that was asked about; 0: none.
    pub(crate) seq: Seq,
    /// From when on the journal of links is whole, unix milliseconds.
    pub(crate) known_from_ms: i64,
}

impl WhyTold {
    /// Appends the answer as REST and the operators' port give it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (reason, seen) = (&self.reason, &self.seen);
        let (text, text_zh) = (reason.text(Language::English), reason.text(Language::Chinese));
        let link = reason.link();
        let name = link.and_then(|(_, link)| link).map(|link| link.to_string());
        let server_id = seen.as_ref().map(|seen| seen.key.server_id(&seen.send_id));
        let code = match reason {
            Reason::Refused { code, .. } => *code,
            _ => 0,
        };
        why_answer(
            out,
            &WhyAnswer {
                reason: reason.name(),
                text: &text,
                text_zh: &text_zh,
                at: reason.at_ms().unwrap_or(0),
                platform: link.map_or(0, |(platform, _)| platform.into()),
                link: name.as_deref().unwrap_or_default(),
                seq: i64::try_from(self.seq.0).unwrap_or(i64::MAX),
                code,
                known_from: self.known_from_ms,
                message: seen.as_ref().map(|seen| WhyMessage {
                    client_msg_id: &seen.client_msg_id,
                    server_msg_id: server_id.as_deref().unwrap_or_default(),
                    send_id: &seen.send_id,
                    recv_id: &seen.recv_id,
                    session_type: seen.session_type,
                    send_time: seen.sent_ms,
                }),
            },
        );
    }
}

/// A question of an operator, and who waits for the answer.
pub(crate) struct Inquiry {
    pub(crate) ask: WhyAsk,
    pub(crate) answer: oneshot::Sender<Option<WhyTold>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_three_names() {
        let key = MessageKey::new("a-b", 1, "bob", "m1");
        let server = key.server_id("a-b");
        let Some(Named::Server(sender, number)) = Named::read(&server) else {
            panic!("{server} is a serverMsgID")
        };
        assert_eq!((sender.as_str(), has_number(key, number)), ("a-b", true));
        let client = |id: &str| Some(Named::Client(id.to_owned()));
        for (text, named) in [
            ("7", Some(Named::Seq(Seq(7)))),
            ("seq:70000000000", Some(Named::Seq(Seq(70_000_000_000)))),
            ("70000000000", client("70000000000")),
            ("id:7", client("7")),
            ("6f1c0e", client("6f1c0e")),
            ("1970-01-01 00:00:00-bob", client("1970-01-01 00:00:00-bob")),
            ("seq:x", None),
            ("id:", None),
            ("", None),
        ] {
            assert_eq!(Named::read(text), named, "{text}");
        }
    }
}
