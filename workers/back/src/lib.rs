//! The back: what is done with what the log holds.
//!
//! [`Back`] drops duplicates, numbers inboxes in log order and gives members of groups their turns. It knows nothing
//! of links: it meets the front only in values ([`openim_record`]): `Committed` and `Presence` come in, `Deliver` and
//! `Settled` go out through [`Effects`]. Its machines know nothing of each other:
//! - [`Inboxes`] is driven by log records only: it drops duplicates and gives each user's messages
//!   their seq, in log order.
//! - [`Groups`] is driven by membership changes only: who gets a message to a group.
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

mod back;
mod books;
mod effects;
mod groups;
mod inbox;
mod limits;
mod window;

pub use back::Back;
pub use books::{Became, Books};
pub use effects::Effects;
pub use groups::{Expander, Groups, Whom};
pub use inbox::{Inboxes, Outcome, Unknown};
pub use limits::Limits;
pub use window::Window;
