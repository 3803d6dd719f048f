//! A send that has neither key nor time yet, already as the bytes that the log will hold.
//!
//! In: a message, where its request is read. Out: its record, which travels as it is, and is sealed where the send
//! is taken. Nothing of it is copied on the way.

use crate::message::{KEY_AT, SEND_TIME_AT, SWITCHES_AT, UNWANTED_BIT};
use crate::{Heading, Message, MessageKey, Switches, broken, own_message};

const NO_MESSAGE: &str = "a draft is an encoded message";

/// See the module. Empty once it is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft(Box<[u8]>);

impl Draft {
    /// Encodes a message; its key and its time are not looked at.
    #[must_use]
    pub fn new(message: &Message<'_>) -> Self {
        let mut record = Vec::with_capacity(message.encoded_len());
        Message { key: MessageKey(0), send_time_ns: 0, ..*message }.encode(&mut record);
        Self(record.into_boxed_slice())
    }

    /// What it holds of memory, and what its record will have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Its switches, without a look at the rest.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Message::peek_switches(&self.0).unwrap_or_else(|| broken(NO_MESSAGE))
    }

    /// Whether its receiver does not want it, as was decided now: it goes to its sender alone then.
    pub fn turn_away(&mut self, unwanted: bool) {
        let Some(switches) = self.0.get_mut(SWITCHES_AT) else { broken(NO_MESSAGE) };
        *switches = *switches & !(1 << UNWANTED_BIT) | u8::from(unwanted) << UNWANTED_BIT;
    }

    /// What is decided by about it.
    #[must_use]
    pub fn heading(&self) -> Heading<'_> {
        Heading::decode(&self.0).unwrap_or_else(|_| broken(NO_MESSAGE))
    }

    /// All of it.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        own_message(&self.0)
    }

    /// The record of the send, which now has its key and its time; nothing is left here.
    #[must_use]
    pub fn seal(&mut self, key: MessageKey, send_time_ns: i64) -> Box<[u8]> {
        let mut record = std::mem::take(&mut self.0);
        for (at, bytes) in [
            (SEND_TIME_AT, send_time_ns.to_le_bytes().as_slice()),
            (KEY_AT, key.0.to_le_bytes().as_slice()),
        ] {
            match record.get_mut(at..at + bytes.len()) {
                Some(place) => place.copy_from_slice(bytes),
                None => broken("a draft is sealed once"),
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_draft_is_the_message_with_its_key_and_time() {
        let message = Message {
            switches: Switches { history: false, ..Switches::ON },
            origin_platform: 3,
            msg_from: 100,
            content_type: 101,
            session_type: 2,
            sender_platform_id: -1,
            send_id: "ann",
            recv_id: "group",
            client_msg_id: "m1",
            sender_nick_name: "Ann",
            sender_face_url: "https://example.com/a.png",
            offline_info: "{}",
            content: "h\u{e9}llo",
            ..Message::BLANK
        };
        let mut draft = Draft::new(&message);
        assert_eq!(draft.message(), message);
        let heading = draft.heading();
        assert_eq!(
            (heading.send_id, heading.recv_id, heading.client_msg_id),
            ("ann", "group", "m1")
        );
        assert_eq!((heading.switches, heading.origin_platform), (message.switches, 3));
        assert_eq!((draft.switches(), message.heading()), (message.switches, heading));
        assert_eq!((heading.content_type, heading.session_type), (101, 2));
        let (key, bytes) = (heading.key(), draft.bytes());
        let record = draft.seal(key, 1_622_033_433_000_000_007);
        let sealed = Message { key, send_time_ns: 1_622_033_433_000_000_007, ..message };
        assert_eq!((own_message(&record), record.len()), (sealed, bytes));
        assert_eq!(key, MessageKey::new("ann", 2, "group", "m1"));
        assert_eq!(draft, Draft::default());
    }
}
