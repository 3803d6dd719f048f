//! The front: who is connected where, and what waits for an answer.
//!
//! Machines that know nothing of seq:
//! - [`Links`] is driven by sockets and deliveries only: who is connected where, with which token,
//!   how much is waiting to be written.
//! - [`Pending`] holds the sends that the log has not answered yet, [`Sweep`] lets time pass on links.
//!
//! In a cluster, where the back is in other processes:
//! - [`Settling`] holds sends until their senders' inboxes have them, and reads that wait for that.
//! - [`Given`] drops what a link was given before.
//! - [`Announcer`] writes down for everybody where this process' links are.
//!
//! Invariants: no clock, no randomness, no I/O; every collection has a bound.
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
mod given;
mod links;
mod pending;
mod settling;
mod sweep;

pub use announcer::{Announced, Announcer, Entry, Step, Written};
pub use effects::{Origin, SendRefused};
pub use given::Given;
pub use links::{Credentials, FrameToken, Link, LinkId, Links, Opened, PLATFORMS, Target};
pub use openim_protocol::close::CloseReason;
pub use pending::{Pending, Settled, Standing, Waiters};
pub use settling::{Landing, Settling};
pub use sweep::{Deadlines, Sweep, Verdict};
