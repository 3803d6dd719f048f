//! Which records outlive history, told from their first bytes alone.

use crate::members::KIND_MEMBERS;
use crate::message::{KIND_MESSAGE, MESSAGE_HEAD_BYTES, SESSION_GROUP, SESSION_TYPE_AT};
use crate::rows::KIND_ROWS;
use crate::{Message, Switches};

/// As what a record outlives history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// An archived message of a single chat.
    Single,
    /// An archived message to a group.
    Group,
    /// Something that this version does not know, and keeps.
    Unknown,
}

impl Message<'_> {
    /// As what an encoded record must outlive history, if it must: an archived message does, and so does what
    /// this version does not know. The member list of a group message is of no use without inboxes, and rows are
    /// of none once they are in the index.
    #[must_use]
    pub fn kept(bytes: &[u8]) -> Option<Kept> {
        let known = match bytes {
            [KIND_MEMBERS | KIND_ROWS, ..] => return None,
            [KIND_MESSAGE, bits, ..] if bytes.len() >= MESSAGE_HEAD_BYTES => bits,
            _ => return Some(Kept::Unknown),
        };
        if !Switches::from_bits(*known).persistent {
            return None;
        }
        let session_type =
            bytes[SESSION_TYPE_AT..].first_chunk().map(|raw| i32::from_le_bytes(*raw));
        Some(if session_type == Some(SESSION_GROUP) { Kept::Group } else { Kept::Single })
    }

    /// Whether an encoded record must outlive history.
    #[must_use]
    pub fn kept_forever(bytes: &[u8]) -> bool {
        Self::kept(bytes).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_archived_is_told_by_its_chat() {
        for (session_type, persistent, kept) in [
            (1, true, Some(Kept::Single)),
            (SESSION_GROUP, true, Some(Kept::Group)),
            (7, true, Some(Kept::Single)),
            (1, false, None),
            (SESSION_GROUP, false, None),
        ] {
            let switches = Switches { persistent, ..Switches::ON };
            let mut bytes = Vec::new();
            Message { session_type, switches, content: "x", ..Message::BLANK }.encode(&mut bytes);
            assert_eq!(Message::kept(&bytes), kept, "{session_type} {persistent}");
        }
        assert_eq!(Message::kept(b"another version's"), Some(Kept::Unknown));
        assert_eq!(Message::kept(b""), Some(Kept::Unknown));
    }
}
