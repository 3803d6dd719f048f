//! What a peer can get wrong in a frame, and the close code that answers it.

use crate::close::CloseReason;

/// A peer broke the framing rules. The link cannot be read any further: send a close frame with
/// [`FrameError::close_code`] and drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A reserved header bit is set; no extension is ever negotiated.
    #[error("reserved header bits are set")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode {0:#x}")]
    UnknownOpcode(u8),
    /// A ping, pong or close frame without the final bit.
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A ping, pong or close frame with more than 125 bytes.
    #[error("control frame over 125 bytes")]
    ControlTooLong,
    /// A client frame without a mask.
    #[error("client frame is not masked")]
    NotMasked,
    /// A server frame with a mask.
    #[error("server frame is masked")]
    Masked,
    /// A length written in more bytes than it needs, or with its top bit set.
    #[error("frame length is not in its shortest form")]
    BadLength,
    /// A continuation frame, and no fragmented message is open.
    #[error("continuation frame without a message")]
    UnexpectedContinuation,
    /// A new data frame, and a fragmented message is still open.
    #[error("data frame inside a fragmented message")]
    UnfinishedMessage,
    /// A close frame whose payload is a single byte.
    #[error("close frame with half a code")]
    HalfCloseCode,
    /// A close code that may not travel on the wire.
    #[error("close code {0} is not allowed")]
    BadCloseCode(u16),
    /// A close reason that is not UTF-8.
    #[error("close reason is not UTF-8")]
    InvalidReason,
    /// A text message that is not UTF-8.
    #[error("text message is not UTF-8")]
    InvalidText,
    /// A message over the limit; known from the header, before the payload arrives.
    #[error("message over {limit_bytes} bytes")]
    TooBig {
        /// The limit this reader was made with.
        limit_bytes: u32,
    },
}

impl FrameError {
    /// What to close the link for: code and text.
    pub const fn reason(&self) -> CloseReason {
        match self {
            Self::InvalidReason | Self::InvalidText => CloseReason::InvalidText,
            Self::TooBig { .. } => CloseReason::TooBig,
            Self::ReservedBits
            | Self::UnknownOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NotMasked
            | Self::Masked
            | Self::BadLength
            | Self::UnexpectedContinuation
            | Self::UnfinishedMessage
            | Self::HalfCloseCode
            | Self::BadCloseCode(_) => CloseReason::Protocol,
        }
    }

    /// The number of the close frame that answers this error: 1002, 1007 or 1009.
    pub const fn close_code(&self) -> u16 {
        self.reason().code().number()
    }
}
