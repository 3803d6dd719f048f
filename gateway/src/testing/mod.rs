//! Test aids: what tests do to a server that runs. Behind the feature `testing`, and never in the product.
//!
//! In: files that variables of the environment name. Out: a log and ports that stall, a clock that is wrong, who
//! answers for the homes of users and groups, deliveries that get lost, how long memberships are remembered, how much may wait to
//! be stored, and how soon a notice is tried again.

mod books;
mod clock;
mod homes;
mod memberships;
mod push;
mod stall;
mod unstored;

pub(crate) use books::{lose_record, pushes};
pub(crate) use clock::clock_shift_ms;
pub(crate) use homes::homes_are_stores;
pub(crate) use memberships::memberships_stay;
pub(crate) use push::hasten_push;
pub(crate) use stall::{StallLog, stall_ports};
pub(crate) use unstored::bound_unstored;
