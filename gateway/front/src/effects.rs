//! The values that come to the front and go from it.

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
