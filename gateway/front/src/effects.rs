//! What the front asks of the world around it, and the values that only it has.

use openim_protocol::close::CloseReason;
use openim_record::{Deliver, Message, MessageKey, Presence, Submission};
use openim_why::Pushed;

use crate::LinkId;

/// Who waits for the answer to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A websocket link; `msg_incr` is echoed in the reply.
    Link {
        /// The link.
        id: LinkId,
        /// Correlation number of the request.
        msg_incr: i32,
    },
    /// A call that the driver numbered (REST, on this shard or another).
    Call(u64),
}

/// Why a send was not accepted. Nothing of it is kept, or (`Timeout`) a retry completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendRefused {
    /// The log refused the batch.
    LogRefused,
    /// The log did not answer in time.
    Timeout,
}

/// A link, as it is to be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState<'a> {
    /// Whose.
    pub uid: &'a str,
    /// Of which platform.
    pub platform: u8,
    /// Which.
    pub link: LinkId,
    /// Since when it is open, unix milliseconds.
    pub opened_ms: i64,
    /// How far it was pushed to.
    pub pushed: Pushed,
    /// It has ended.
    pub over: bool,
}

/// The front's surroundings. Calls must not re-enter it; what they cause comes back as input.
pub trait Effects {
    /// Whether the ring to the log takes a record of so many bytes now. If not, [`crate::Front::room`]
    /// follows when it may.
    fn has_room(&mut self, bytes: usize) -> bool;

    /// Hands a record to the log. The last answer of [`Self::has_room`] was yes.
    fn submit(&mut self, submission: Submission);

    /// A send is durable (or ephemeral and handed over): answer it.
    fn receipt(
        &mut self,
        origin: Origin,
        send_id: &str,
        client_msg_id: &str,
        key: MessageKey,
        send_time_ns: i64,
    );

    /// A send was not accepted: answer it.
    fn refuse(&mut self, origin: Origin, why: SendRefused);

    /// Queues a push for a link and returns how many bytes that added to its outbox.
    fn push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize;

    /// Queues a ping for a link.
    fn ping(&mut self, link: LinkId);

    /// Closes a link; [`crate::Front::closed`] follows. Asked once a link; nothing is pushed to it
    /// afterwards.
    fn close(&mut self, link: LinkId, reason: CloseReason);

    /// Goes on reading a link that was held.
    fn resume(&mut self, link: LinkId);

    /// At most so many calls that are held may try again; the others are asked for once more.
    fn resume_calls(&mut self, calls_max: usize);

    /// Whether there is a journal of links.
    fn keeps_journal(&self) -> bool {
        false
    }

    /// How far a link has come, for the journal of links.
    fn link_note(&mut self, _state: &LinkState<'_>) {}

    /// A send of this front is durable that was made with `history` off: no inbox has it. Or it leaves no trace, and was not
    /// wanted.
    fn unnumbered(&mut self, _message: &Message<'_>) {}

    /// A link is there, or is gone. Of no use where the back asks the front itself.
    fn presence(&mut self, _presence: Presence<'_>) {}
}
