//! The state of one shard, as pure machines.
//!
//! The front ([`openim_front`]: links, and sends that wait for an answer) and the back ([`openim_back`]: inboxes
//! and groups) know nothing of each other. [`Shard`] lets them meet, on one thread. It performs nothing itself;
//! what must happen outside it asks of [`Effects`].
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

mod effects;
mod limits;
mod shard;

pub use effects::{Delivery, Effects, Refusal};
pub use limits::{Admission, Limits};
pub use openim_back::{Departure, Groups, Inboxes, Outcome, SEND_TIME_AHEAD_MS_MAX};
pub use openim_cache::Cache;
pub use openim_front::{
    CloseReason, Credentials, FrameToken, LinkId, Links, Opened, Origin, SendRefused, Target,
};
pub use openim_record::{Now, SESSION_GROUP};
pub use shard::{GroupAdmission, GroupTerms, Shard, Tells};
