//! Websocket frames (RFC 6455) over byte slices, for either side of a link.
//!
//! Owns the frame format: [`Reader`] turns the bytes of one link into [`Event`]s, the `write_*` and
//! `begin_*` functions append frames to an outgoing buffer. Never does I/O and keeps no bytes of its
//! own, except a fragmented message while it is open: one read buffer serves all links of a thread,
//! and whoever owns the link carries over what [`Step::More`] left unread.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod error;
mod header;
mod mask;
mod reader;
mod writer;

pub use error::FrameError;
pub use reader::{Event, Reader, Step};
pub use writer::{
    Mark, begin_binary, begin_continuation, begin_text, finish, finish_partial, header_bytes,
    length, write_close, write_close_echo, write_close_echo_masked, write_close_masked,
    write_message, write_message_masked, write_ping, write_ping_masked, write_pong,
    write_pong_masked,
};

/// Which side of the link this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Reads masked frames, writes unmasked ones.
    Server,
    /// Reads unmasked frames, writes masked ones.
    Client,
}

/// The longest frame header: two bytes, a 64-bit length, a mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a ping, pong or close frame.
pub const CONTROL_BYTES_MAX: usize = 125;
