//! Everything that outlives the process, behind ports.
//!
//! [`port`] holds one trait a file, each with its contract; [`guard`] stands around them; [`embedded`] is the engine that needs
//! nothing installed; `conformance` holds one suite per port, which every backend runs. It is a test aid,
//! behind the feature `testing`, and no part of the product.
//! Ports are futures, and some block where they are polled: a shard thread never polls one.

#[cfg(feature = "testing")]
pub mod conformance;
pub mod embedded;
pub mod guard;
pub mod port;
