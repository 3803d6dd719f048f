//! The back: what is done with what the log holds.
//!
//! Machines that know nothing of links:
//! - [`Inboxes`] is driven by log records only: it drops duplicates and gives each user's messages
//!   their seq, in log order.
//! - [`Groups`] is driven by membership changes only: who gets a message to a group.
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

mod groups;
mod inbox;
mod window;

pub use groups::{Departure, Groups};
pub use inbox::{Inboxes, Outcome, SEND_TIME_AHEAD_MS_MAX, Unknown};
pub use window::Window;
