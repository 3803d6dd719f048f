//! From the owners of partitions to the processes that hold links: deliveries, and which sends are settled.
//!
//! In, on a transfer's side: what an owner tells a front ([`Lanes`]). Out, on the other side: the same, in the same
//! order for each front ([`Fronts`], [`serve()`]), and back the platforms that were reached. A front is a shard of a
//! gateway or of an api process; each process has one stream from each transfer, of batches that are answered in order.
//!
//! Never: a second try. What has no answer is not reached, as far as anybody knows, and whoever was owed it pulls it by
//! its number.
//!
//! Invariants, each with its tests:
//! - what is told is answered once, whatever happens (`tests/delivery/nobody_is_kept_waiting.rs`);
//! - what is for one front arrives in the order of the calls (`tests/delivery/order.rs`);
//! - a process that stalls or freezes costs others nothing (`tests/delivery/stalled.rs`);
//! - no peer can do more than end its own stream (`src/serve/tests.rs`, `src/lanes/tests.rs`).

#![forbid(unsafe_code)]

mod lanes;
mod serve;
mod told;
mod wire;

pub use lanes::{Done, LaneOptions, LaneStatus, LaneTotals, Lanes};
pub use serve::{Fronts, ServeOptions, Strangers, Streams, serve};
pub use told::Told;
