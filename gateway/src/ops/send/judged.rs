//! What the app's backend says of a send before it is taken (`messagecallback`), and why a send is not taken.
//!
//! It is asked when no rule of the server refuses the send, and before the log has it: so whoever reads the log reads what the
//! backend has made of it.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply;
use openim_record::{Draft, Message, is_tip};

use super::{Carried, is_too_long};
use crate::driver::Core;
use crate::third::Verdict;

/// Why a send was not taken.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// By the server.
    Code(ErrCode),
    /// By the app's backend, with its own number and text.
    Told(i32, String),
}

impl From<ErrCode> for NotSent {
    fn from(code: ErrCode) -> Self {
        Self::Code(code)
    }
}

impl NotSent {
    /// The condition; one for whatever the backend says.
    pub(crate) const fn code(&self) -> ErrCode {
        match self {
            Self::Code(code) => *code,
            Self::Told(..) => ErrCode::ByBackend,
        }
    }

    /// Appends the reply that says so.
    pub(crate) fn write(&self, out: &mut Vec<u8>, req: i64, incr: Option<i64>) {
        match self {
            Self::Code(code) => reply::receipt_error(out, req, incr, *code, code.text()),
            Self::Told(number, text) => reply::receipt_refused(out, req, incr, *number, text),
        }
    }
}

/// A send as the backend has it, if it is asked about such a one.
///
/// # Errors
/// What to answer with.
pub(super) async fn judged(core: &Rc<Core>, mut send: Carried) -> Result<Carried, NotSent> {
    let heading = send.draft.heading();
    // What tells of a change is held against the change itself.
    let is_asked = !send.trusted
        && !is_tip(heading.content_type)
        && core.changing.judges(heading.session_type, heading.content_type);
    if !is_asked {
        return Ok(send);
    }
    let message = send.draft.message();
    match core.changing.judge().judge(&message).await {
        Verdict::Pass => {}
        Verdict::Content(content) => {
            let message = Message { content: &content, ..message };
            if is_too_long(core, &message, &send.emphasised) {
                return Err(ErrCode::TooLong.into());
            }
            send.draft = Draft::new(&message);
        }
        Verdict::Refused(number, text) => return Err(told(number, text)),
        Verdict::Unknown => return Err(ErrCode::Unavailable.into()),
    }
    Ok(send)
}

/// 0 is no number of a refusal, and clients show the text.
fn told(number: i32, text: String) -> NotSent {
    let code = ErrCode::ByBackend;
    let number = if number == 0 { code.number() } else { number };
    let text = if text.is_empty() { code.text().to_owned() } else { text };
    NotSent::Told(number, text)
}
