//! The front: who is connected where, and what waits for an answer.
//!
//! Machines that know nothing of seq:
//! - [`Links`] is driven by sockets and deliveries only: who is connected where, with which token,
//!   how much is waiting to be written.
//! - [`Pending`] holds the sends that the log has not answered yet, [`Sweep`] lets time pass on links.
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

mod effects;
mod links;
mod pending;
mod sweep;

pub use effects::{Origin, SendRefused};
pub use links::{Credentials, FrameToken, Link, LinkId, Links, Opened, PLATFORMS, Target};
pub use openim_protocol::close::CloseReason;
pub use pending::{Pending, Settled, Standing, Waiters};
pub use sweep::{Deadlines, Sweep, Verdict};
