//! What is kept of users in memory: [`Cache`], users' state within a bound; [`Loads`], whom to bring in next.
//!
//! Never: a store, a clock, chance. What users are kept for is their owner's affair.
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
mod loads;

pub use cache::Cache;
pub use loads::Loads;
