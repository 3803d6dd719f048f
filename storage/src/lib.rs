//! Everything that outlives the process, behind ports.
//!
//! [`port`] holds one trait a file, each with its contract; [`embedded`] is the engine that needs
//! nothing installed; [`conformance`] holds one suite per port, which every backend runs.
//! Ports are called from worker threads and may block; a shard thread never calls one.

pub mod conformance;
pub mod embedded;
pub mod port;
