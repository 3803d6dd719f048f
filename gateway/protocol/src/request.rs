//! What a client asks over the websocket: the envelope, and the `data` of 1002 and 1003.
//!
//! In: the payload of a data frame. Out: borrowed fields, or the code and text to answer with. The
//! envelope is checked before `data` is looked at, so that the token can be verified in between, in
//! the original's order. Never copies text that holds no escapes; never checks tokens or rules.

mod envelope;
mod range;
mod send;
mod uid;

pub use envelope::{Envelope, EnvelopeError, decode};
pub use range::{PullRange, decode_pull};
pub use send::{RestSend, SendBody, decode_send, decode_send_msg};
pub use uid::{UID_CHARS_MAX, valid_uid};

use crate::errcode::ErrCode;
use crate::json::SyntaxError;

/// The newest seq of the sender's inbox.
pub const NEWEST_SEQ: i32 = 1001;
/// A range of the sender's inbox.
pub const PULL: i32 = 1002;
/// A list of seqs of the sender's inbox; over REST only.
pub const PULL_BY_SEQ: i32 = 1004;
/// A message to send.
pub const SEND: i32 = 1003;

/// Bytes of an id that clients choose: `clientMsgID`, `operationID`.
pub const ID_BYTES_MAX: usize = 255;

/// The `data` of an envelope: an object of sound syntax, for [`decode_pull`] or [`decode_send`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    text: &'a [u8],
    /// The same, if it has been read as a send already.
    send: Option<send::Draft<'a>>,
}

impl<'a> Data<'a> {
    /// The object's bytes, from `{` to `}`, as the peer wrote them.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text
    }
}

/// Why the `data` of a request was refused. The answer is the full reply of that request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {text}", code.number())]
pub struct DataError {
    /// [`ErrCode::DataType`] (203) or [`ErrCode::DataMissing`] (204).
    pub code: ErrCode,
    /// For humans.
    pub text: String,
}

impl DataError {
    /// Only reachable where a body is read apart from its envelope, which has checked the syntax.
    fn of_syntax(error: SyntaxError) -> Self {
        Self { code: ErrCode::DataType, text: error.to_string() }
    }

    /// 203, in the original's shape: a count, a blank line, and an item per value.
    fn wrong_types<'n>(names: impl Iterator<Item = &'n str>) -> Option<Self> {
        let mut count = 0;
        let mut items = String::new();
        for name in names {
            count += 1;
            items.push_str("\n* '");
            items.push_str(name);
            items.push_str("' has the wrong type or is out of range");
        }
        (count > 0).then(|| Self {
            code: ErrCode::DataType,
            text: format!("{count} error(s) decoding:\n{items}"),
        })
    }
}

/// The lines of a failed validation, one per field, as the original's validator writes them.
#[derive(Default)]
pub(crate) struct Violations(String);

impl Violations {
    /// Notes a field that does not satisfy a rule.
    pub(crate) fn push(&mut self, owner: &str, field: &str, rule: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        for part in [
            "Key: '",
            owner,
            ".",
            field,
            "' Error:Field validation for '",
            field,
            "' failed on the '",
            rule,
            "' tag",
        ] {
            self.0.push_str(part);
        }
    }

    /// The lines, if there are any.
    pub(crate) fn into_text(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }
}
