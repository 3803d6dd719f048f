//! A message and its bytes in the log.
//!
//! The encoding is a fixed head, then the strings one after the other; decoding borrows from the
//! bytes and copies nothing. Integers are little-endian. The first byte is the kind, so that other
//! records can share the log.

use crate::members::KIND_MEMBERS;
use crate::rows::KIND_ROWS;
use crate::{Members, MessageKey, Rows, Seq};

/// `sessionType` of a message to a group.
pub const SESSION_GROUP: i32 = 2;

/// First byte of an encoded message.
pub(crate) const KIND_MESSAGE: u8 = 1;
/// kind, switches, origin platform, zero; send time; key; four i32; seven string lengths.
pub(crate) const MESSAGE_HEAD_BYTES: usize = 4 + 8 + 16 + 4 * 4 + 7 * 4;
/// Where in it the two begin that a send gets last.
pub(crate) const SEND_TIME_AT: usize = 4;
pub(crate) const KEY_AT: usize = 12;
/// Where the switches lie, and which of them says that the receiver does not want it.
pub(crate) const SWITCHES_AT: usize = 1;
pub(crate) const UNWANTED_BIT: u8 = 4;
/// Where the session type lies.
pub(crate) const SESSION_TYPE_AT: usize = 4 + 8 + 16 + 2 * 4;

/// The four switches of a message's `options` (spec, websocket 4.4), true = on; and what its receiver says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Switches {
    /// The message takes a seq in each inbox and can be pulled.
    pub history: bool,
    /// The message is kept in the archive.
    pub persistent: bool,
    /// The sender's other platforms get a copy.
    pub sender_sync: bool,
    /// A receiver who is not connected may be notified by a push vendor.
    pub offline_push: bool,
    /// Of a message to one user, decided when it was sent: they do not want it, and only its sender has it.
    pub unwanted: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self::ON
    }
}

impl Switches {
    /// All switches on: what an empty `options` object means.
    pub const ON: Self = Self {
        history: true,
        persistent: true,
        sender_sync: true,
        offline_push: true,
        unwanted: false,
    };

    /// Neither stored nor archived: typing notices and the like never touch the log.
    #[must_use]
    pub const fn ephemeral(self) -> bool {
        !self.history && !self.persistent
    }

    /// One bit each, in declaration order from bit 0.
    #[must_use]
    pub fn to_bits(self) -> u8 {
        u8::from(self.history)
            | u8::from(self.persistent) << 1
            | u8::from(self.sender_sync) << 2
            | u8::from(self.offline_push) << 3
            | u8::from(self.unwanted) << UNWANTED_BIT
    }

    /// The inverse of [`Self::to_bits`]; higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            history: bits & 1 != 0,
            persistent: bits & 2 != 0,
            sender_sync: bits & 4 != 0,
            offline_push: bits & 8 != 0,
            unwanted: bits & 1 << UNWANTED_BIT != 0,
        }
    }
}

/// Whether a content type tells of a change of friends, a profile or a group (spec, websocket 3.3, REST 7.2).
#[must_use]
pub const fn is_tip(content_type: i32) -> bool {
    matches!(content_type, 201..=204 | 303 | 501..=513)
}

/// One message as it lies in the log; borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Identity of the send; gives the `serverMsgID`.
    pub key: MessageKey,
    /// Server time of the send in unix nanoseconds; never falls for one sender.
    pub send_time_ns: i64,
    /// Options given by the sender.
    pub switches: Switches,
    /// Platform of the link that sent it, 1 to 7; 0 for system tips. Its links get no sync copy.
    pub origin_platform: u8,
    /// 100 user, 200 system.
    pub msg_from: i32,
    /// Opaque to the server but for a few numbers (spec, websocket 3.3).
    pub content_type: i32,
    /// 1 single, 2 group.
    pub session_type: i32,
    /// `platformID` as the sender gave it.
    pub sender_platform_id: i32,
    /// Author.
    pub send_id: &'a str,
    /// Addressee.
    pub recv_id: &'a str,
    /// The sender's own id of the message.
    pub client_msg_id: &'a str,
    /// Sender's nickname, empty when the client sent none.
    pub sender_nick_name: &'a str,
    /// Sender's face URL, empty when the client sent none.
    pub sender_face_url: &'a str,
    /// `offlineInfo` as JSON text, empty when the client sent none.
    pub offline_info: &'a str,
    /// Opaque text.
    pub content: &'a str,
}

/// What is decided by about a message, without its other texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading<'a> {
    /// Options given by the sender.
    pub switches: Switches,
    /// As [`Message::origin_platform`].
    pub origin_platform: u8,
    /// As [`Message::content_type`].
    pub content_type: i32,
    /// 1 single, 2 group.
    pub session_type: i32,
    /// Author.
    pub send_id: &'a str,
    /// Addressee.
    pub recv_id: &'a str,
    /// The sender's own id of the message.
    pub client_msg_id: &'a str,
}

/// The bytes are not a message: written by another build, or damaged in a way the checksum missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its own lengths say.
    #[error("record is cut short")]
    Truncated,
    /// First byte is not a known kind.
    #[error("record kind {0} is not known to this version")]
    Kind(u8),
    /// A string is not UTF-8.
    #[error("record holds text that is not UTF-8")]
    Text,
}

/// What lies at one position of the log.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A message.
    Message(Message<'a>),
    /// Members of a group that a message goes to.
    Members(Members<'a>),
    /// A change of what is no message.
    Rows(Rows<'a>),
}

impl<'a> Record<'a> {
    /// Reads a record, which says by its first byte what it is.
    ///
    /// # Errors
    /// [`DecodeError`] when it is of no known kind, or not whole.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match bytes.first() {
            Some(&KIND_MEMBERS) => {
                Members::decode(bytes).map(Self::Members).ok_or(DecodeError::Truncated)
            }
            Some(&KIND_ROWS) => {
                Rows::decode(bytes).map(Self::Rows).ok_or(DecodeError::Kind(KIND_ROWS))
            }
            _ => Message::decode(bytes).map(Self::Message),
        }
    }
}

impl<'a> Message<'a> {
    /// Nothing, to begin with: whoever makes a message names what it has.
    pub const BLANK: Self = Self {
        key: MessageKey(0),
        send_time_ns: 0,
        switches: Switches::ON,
        origin_platform: 0,
        msg_from: 0,
        content_type: 0,
        session_type: 0,
        sender_platform_id: 0,
        send_id: "",
        recv_id: "",
        client_msg_id: "",
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: "",
    };

    /// Whether `recv_id` names a group.
    #[must_use]
    pub const fn is_to_group(&self) -> bool {
        self.session_type == SESSION_GROUP
    }

    /// Whether the author's other devices get a copy of it under this seq: of what is stored unless the author
    /// did not want it, of a message to oneself always, for it goes to no others; of what leaves no trace else none.
    #[must_use]
    pub fn copy_for_author(&self, seq: Seq) -> bool {
        let oneself = self.send_id == self.recv_id && !self.is_to_group();
        match seq {
            Seq(0) => self.switches.ephemeral() && oneself,
            _ => oneself || self.switches.sender_sync,
        }
    }

    /// What is decided by about it.
    #[must_use]
    pub const fn heading(&self) -> Heading<'a> {
        let Self { switches, origin_platform, content_type, session_type, .. } = *self;
        let Self { send_id, recv_id, client_msg_id, .. } = *self;
        Heading {
            switches,
            origin_platform,
            content_type,
            session_type,
            send_id,
            recv_id,
            client_msg_id,
        }
    }

    /// Bytes that [`Self::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        MESSAGE_HEAD_BYTES + self.strings().iter().map(|s| s.len()).sum::<usize>()
    }

    fn strings(&self) -> [&'a str; 7] {
        [
            self.send_id,
            self.recv_id,
            self.client_msg_id,
            self.sender_nick_name,
            self.sender_face_url,
            self.offline_info,
            self.content,
        ]
    }

    /// Appends the message to `out`. Strings over 4 GiB are cut by the frame limit long before.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        out.extend_from_slice(&[KIND_MESSAGE, self.switches.to_bits(), self.origin_platform, 0]);
        out.extend_from_slice(&self.send_time_ns.to_le_bytes());
        out.extend_from_slice(&self.key.0.to_le_bytes());
        for int in [self.msg_from, self.content_type, self.session_type, self.sender_platform_id] {
            out.extend_from_slice(&int.to_le_bytes());
        }
        for text in self.strings() {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
        for text in self.strings() {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// The switches of an encoded message, without reading the rest; `None` for any other record.
    #[must_use]
    pub fn peek_switches(bytes: &[u8]) -> Option<Switches> {
        match bytes {
            [KIND_MESSAGE, bits, ..] if bytes.len() >= MESSAGE_HEAD_BYTES => {
                Some(Switches::from_bits(*bits))
            }
            _ => None,
        }
    }

    /// Reads a message; trailing bytes are an error of the caller's framing and reported as such.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not a message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fixed = Fixed::decode(bytes)?;
        let mut texts = [""; 7];
        for (text, len) in texts.iter_mut().zip(fixed.lens) {
            *text = fixed.texts.next(len)?;
        }
        let [msg_from, content_type, session_type, sender_platform_id] = fixed.ints;
        let [
            send_id,
            recv_id,
            client_msg_id,
            sender_nick_name,
            sender_face_url,
            offline_info,
            content,
        ] = texts;
        Ok(Self {
            key: fixed.key,
            send_time_ns: fixed.send_time_ns,
            switches: fixed.switches,
            origin_platform: fixed.origin_platform,
            msg_from,
            content_type,
            session_type,
            sender_platform_id,
            send_id,
            recv_id,
            client_msg_id,
            sender_nick_name,
            sender_face_url,
            offline_info,
            content,
        })
    }
}

impl<'a> Heading<'a> {
    /// Of an encoded message.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let Fixed { switches, origin_platform, ints, lens, mut texts, .. } = Fixed::decode(bytes)?;
        let [_, content_type, session_type, _] = ints;
        let [send_id, recv_id, client_msg_id, ..] = lens;
        Ok(Self {
            switches,
            origin_platform,
            content_type,
            session_type,
            send_id: texts.next(send_id)?,
            recv_id: texts.next(recv_id)?,
            client_msg_id: texts.next(client_msg_id)?,
        })
    }

    /// What makes another send the same.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        MessageKey::new(self.send_id, self.session_type, self.recv_id, self.client_msg_id)
    }

    /// Whether `recv_id` names a group.
    #[must_use]
    pub const fn is_to_group(&self) -> bool {
        self.session_type == SESSION_GROUP
    }
}

/// What stands before the texts.
struct Fixed<'a> {
    switches: Switches,
    origin_platform: u8,
    send_time_ns: i64,
    key: MessageKey,
    ints: [i32; 4],
    lens: [u32; 7],
    texts: Texts<'a>,
}

impl<'a> Fixed<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut head = Reader { bytes };
        let [kind, bits, origin_platform, _] = head.take::<4>()?;
        if kind != KIND_MESSAGE {
            return Err(DecodeError::Kind(kind));
        }
        let send_time_ns = i64::from_le_bytes(head.take()?);
        let key = MessageKey(u128::from_le_bytes(head.take()?));
        let mut ints = [0_i32; 4];
        for int in &mut ints {
            *int = i32::from_le_bytes(head.take()?);
        }
        let mut lens = [0_u32; 7];
        for len in &mut lens {
            *len = u32::from_le_bytes(head.take()?);
        }
        // All texts are looked at once; that each begins and ends with a whole character is cheap to see.
        let len = lens.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len as usize));
        let texts = len.and_then(|len| head.bytes.get(..len)).ok_or(DecodeError::Truncated)?;
        let texts = Texts { rest: std::str::from_utf8(texts).map_err(|_| DecodeError::Text)? };
        let switches = Switches::from_bits(bits);
        Ok(Self { switches, origin_platform, send_time_ns, key, ints, lens, texts })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }
}

/// What is left of the texts, which stand one behind the other.
struct Texts<'a> {
    rest: &'a str,
}

impl<'a> Texts<'a> {
    fn next(&mut self, len: u32) -> Result<&'a str, DecodeError> {
        let (text, rest) = self.rest.split_at_checked(len as usize).ok_or(DecodeError::Text)?;
        self.rest = rest;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Message<'static> {
        Message {
            key: MessageKey::new("alice", 1, "bob", "m1"),
            send_time_ns: 1_622_033_433_000_000_007,
            switches: Switches { persistent: false, ..Switches::ON },
            origin_platform: 2,
            msg_from: 100,
            content_type: 101,
            session_type: 1,
            sender_platform_id: -2,
            send_id: "alice",
            recv_id: "bob",
            client_msg_id: "m1",
            sender_nick_name: "",
            sender_face_url: "",
            offline_info: "{}",
            content: "héllo \u{1f600}",
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let message = sample();
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes.len(), message.encoded_len());
        assert_eq!(Message::decode(&bytes), Ok(message));
        assert_eq!(Message::peek_switches(&bytes), Some(message.switches));
        assert_eq!(Message::peek_switches(&bytes[..MESSAGE_HEAD_BYTES - 1]), None);
        assert!(!Message::kept_forever(&bytes));
        bytes[0] = 0;
        assert_eq!(Message::peek_switches(&bytes), None);
        assert!(Message::kept_forever(&bytes), "another version's");
        for kind in [KIND_MEMBERS, KIND_ROWS] {
            bytes[0] = kind;
            assert!(!Message::kept_forever(&bytes));
        }
    }

    #[test]
    fn the_first_byte_says_what_a_record_is() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        assert!(
            matches!(Record::decode(&bytes), Ok(Record::Message(message)) if message == sample())
        );
        bytes[0] = 9;
        assert!(matches!(Record::decode(&bytes), Err(DecodeError::Kind(9))));
        let list = crate::MembersWriter::new().finish();
        assert!(matches!(Record::decode(&list), Ok(Record::Members(_))));
        assert!(matches!(Record::decode(&list[..7]), Err(DecodeError::Truncated)));
        let rows = crate::RowsWriter::new().finish();
        assert!(matches!(Record::decode(&rows), Ok(Record::Rows(_))));
        assert!(matches!(Record::decode(&rows[..1]), Err(DecodeError::Kind(3))));
        assert!(matches!(Record::decode(&[]), Err(DecodeError::Truncated)));
    }

    #[test]
    fn a_text_ends_with_a_whole_character() {
        let mut bytes = Vec::new();
        Message { offline_info: "", content: "\u{e9}", ..sample() }.encode(&mut bytes);
        assert!(Message::decode(&bytes).is_ok());
        let lens = MESSAGE_HEAD_BYTES - 8;
        // The first byte of the character is the last of the text before.
        bytes[lens] = 1;
        bytes[lens + 4] = 1;
        assert_eq!(Message::decode(&bytes), Err(DecodeError::Text));
    }

    #[test]
    fn every_cut_is_an_error() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        for len in 0..bytes.len() {
            assert!(Message::decode(&bytes[..len]).is_err(), "{len}");
        }
    }
}
