//! The state of one shard, as pure machines.
//!
//! Three machines that know nothing of each other:
//! - [`Inboxes`] is driven by log records only: it drops duplicates and gives each user's messages
//!   their seq, in log order.
//! - [`Groups`] is driven by membership changes only: who gets a message to a group.
//! - [`Links`] is driven by sockets and deliveries only: who is connected where, with which token,
//!   how much is waiting to be written.
//!
//! [`Shard`] lets them meet through messages and owns what lies between: sends that the log has not
//! answered yet, and users on their way into memory. It performs nothing itself; what must happen outside it asks of [`Effects`].
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

mod cache;
mod effects;
mod groups;
mod inbox;
mod limits;
mod links;
mod loads;
mod pending;
mod shard;
mod sweep;
mod window;

pub use cache::Cache;
pub use effects::{
    Append, CloseReason, Committed, Delivery, Draft, Effects, Origin, Refusal, SendRefused,
};
pub use groups::{Departure, Groups, Share};
pub use inbox::{Inboxes, Outcome, Role, SEND_TIME_AHEAD_MS_MAX, Unknown};
pub use limits::{Admission, Limits, Now};
pub use links::{Credentials, FrameToken, LinkId, Links, Opened, Target};
pub use shard::{GroupAdmission, GroupDraft, SESSION_GROUP, Shard, Tells};
pub use window::Window;
