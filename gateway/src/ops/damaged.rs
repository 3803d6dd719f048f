//! What stands in for a message that the server cannot read any more.
//!
//! A pull must give everything else, and must not be asked for again and again. So the place in the inbox
//! is filled: with a message of the system in the owner's chat with themself, as nobody can say any more
//! whose it was. `docs/protocol.md` tells clients how to know it.

use openim_record::{DecodeError, Message, Seq, Switches, UserId};

/// What is shown; a text, which every client can show.
const CONTENT: &str = "[damaged: the server cannot read this message any more]";
const CONTENT_TYPE_TEXT: i32 = 101;
const FROM_SYSTEM: i32 = 200;
const SESSION_SINGLE: i32 = 1;

/// The message of a record, or the stand-in for one that is empty because it is damaged.
///
/// # Errors
/// [`DecodeError`] when the record is neither.
pub(super) fn message<'a>(record: &'a [u8], owner: &'a UserId) -> Result<Message<'a>, DecodeError> {
    if record.is_empty() { Ok(stand_in(owner)) } else { Message::decode(record) }
}

/// The ids of the stand-in at a place: one of each, the same at every pull, and no real message has it.
pub(super) fn id(owner: &UserId, seq: Seq) -> String {
    format!("damaged-{seq}-{owner}")
}

fn stand_in(owner: &UserId) -> Message<'_> {
    Message {
        switches: Switches::from_bits(0),
        msg_from: FROM_SYSTEM,
        content_type: CONTENT_TYPE_TEXT,
        session_type: SESSION_SINGLE,
        send_id: owner.as_str(),
        recv_id: owner.as_str(),
        content: CONTENT,
        ..Message::BLANK
    }
}
