//! The front: who is connected where, and what waits for an answer.
//!
//! [`Front`] takes sends and hands them to the log, answers them when they are durable, and brings to links what
//! they are to get. It knows nothing of inboxes and seq: it meets the back only in values ([`openim_record`]):
//! `Landed`, `Settled` and `Deliver` come in, `Submission` and `Presence` go out. It performs nothing itself; what
//! must happen outside it asks of [`Effects`]. Its machine [`Links`] is driven by sockets and deliveries only: who is
//! connected where, with which token, how much is waiting to be written.
//!
//! In a cluster, where the back is in other processes, the driver of a front has besides:
//! - [`Given`] drops what a link was given before.
//! - [`Announcer`] writes down for everybody where this process' links are.
//!
//! Invariants: no clock, no randomness, no I/O; every collection has a bound from [`Limits`].
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::wildcard_enum_match_arm
    )
)]

mod announcer;
mod effects;
mod front;
mod given;
mod limits;
mod links;
mod pending;
mod send_clock;
mod sweep;

pub use announcer::{Announcer, Step};
pub use effects::{Effects, LinkState, Origin, SendRefused};
pub use front::{Delivered, Front};
pub use given::Given;
pub use limits::{Admission, Limits};
pub use links::{Credentials, FrameToken, Links, Opened, Target};
pub use openim_protocol::close::CloseReason;
pub use openim_record::{Announced, Entry, LinkId, Written};
pub use send_clock::SEND_TIME_AHEAD_MS_MAX;
