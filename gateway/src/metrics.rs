//! What the process counts, and the Prometheus text of it.
//!
//! Owns: the cells each shard writes ([`ShardMetrics`]), and how they, the workers' figures and those
//! of the process are written as text ([`render`]). In: `metrics.frames_in.add(1)` on a shard's own
//! thread. Out: text, made on the operator's thread. Never: locks, or makes a shard wait.
//!
//! Invariants:
//! - A cell has one writing thread, so a write is a load and a store, never a locked instruction.
//! - `docs/metrics.md` lists exactly what is exported (`tests::the_document_lists_what_is_exported`).

mod bounds;
mod cell;
mod exposition;
mod label;
mod process;
mod shard;

pub use cell::{By, Counter, Gauge, LongestS, ShortestMs};
pub use exposition::{Sources, render};
pub use label::{
    CallbackOutcome, CredentialOutcome, Label, LoginFailed, Reached, RefusedWith, RequestKind,
    RestRoute, TlsFailed, TlsHandshake, Waited,
};
pub(crate) use process::{ProcessFigures, look};
pub use shard::{RestCounters, ShardMetrics};

#[cfg(test)]
pub(crate) mod tests;
