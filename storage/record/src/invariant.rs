//! What happens when a belief about our own state turns out wrong: the process stops, in release too.
//!
//! Going on would lose a message or a reply without a word; a restart reads everything again from the
//! log, which is whole. Never for what a peer, a file or a store may cause.

/// Stops the process; `what` should have been so.
#[cold]
#[track_caller]
pub fn broken(what: &str) -> ! {
    panic!("broken invariant, stopping (the next start recovers what is durable): {what}")
}
