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

/// Why a link is closed by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// A newer link of the same user and platform took over; it gets the kick notice first.
    Replaced,
    /// Its token was superseded by that of a login on platform `by`; it gets the kick notice first.
    Superseded {
        /// 1 to 7.
        by: u8,
    },
    /// Its token was ended by a manager, or its user deleted; it gets the kick notice first.
    LoggedOut,
    /// Its user was banned; it gets the kick notice first.
    Banned,
    /// Its token has expired.
    TokenExpired,
    /// More is waiting for it than `limits.outboxBytesMax`.
    OutboxFull,
    /// The socket took nothing for `limits.writeStallSeconds`.
    WriteStalled,
    /// It answered no ping.
    Dead,
}

/// The platform that is named where a manager ended a link: Web, and to links there Windows.
const MANAGERS_PLATFORMS: [u8; 2] = [5, 3];

impl CloseReason {
    /// For a link that gets the kick notice: on which platform is who ended it; `own` is the link's.
    #[must_use]
    pub const fn kicked_by(self, own: u8) -> Option<u8> {
        match self {
            Self::Replaced => Some(own),
            Self::Superseded { by } => Some(by),
            // Nobody logged in, but clients of October 2021 take a notice of their own platform, or of none,
            // for a copy of something that they sent themselves.
            Self::LoggedOut | Self::Banned => {
                let [usual, other] = MANAGERS_PLATFORMS;
                Some(if own == usual { other } else { usual })
            }
            Self::TokenExpired | Self::OutboxFull | Self::WriteStalled | Self::Dead => None,
        }
    }
}
