//! Test aids: what tests do to a server that runs. Behind the feature `testing`, and never in the product.
//!
//! In: files that variables of the environment name. Out: a log and ports that stall, a clock that is wrong.

mod clock;
mod stall;

pub(crate) use clock::clock_shift_ms;
pub(crate) use stall::{StallLog, stall_ports};
