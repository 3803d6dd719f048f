//! Front and back on one thread.
//!
//! The front ([`openim_front`]: links, and sends that wait for an answer) and the back ([`openim_back`]: inboxes
//! and groups) know nothing of each other. [`Shard`] runs both and moves the values between them: what the one gives
//! the other takes at once, and nothing is queued or copied on the way. It performs nothing itself; what must happen
//! outside it asks of [`Effects`].
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
mod shard;

pub use effects::Effects;
pub use openim_back::{Became, Groups, Limits as BackLimits};
pub use openim_cache::Cache;
pub use openim_front::{
    Admission, CloseReason, Credentials, Effects as FrontEffects, FrameToken, Given,
    Limits as FrontLimits, LinkId, LinkState, Origin, SEND_TIME_AHEAD_MS_MAX, SendRefused,
};
pub use openim_record::{Now, SESSION_GROUP};
pub use shard::{GroupAdmission, GroupTerms, Ledger, Limits, Load, Shard, Tells};
