//! The openim server as a library: the program's `main` calls [`boot::serve`].
//!
//! The folders read along the path of a message: `ingress` takes bytes in, `ops` turns them into
//! operations, `bus` carries them between shards, `driver` turns each shard's wheel, `egress` writes
//! what comes out. `third` asks services of others, `push` has them tell who is away. `boot` is the one place that names a storage engine.

/// The revision of the source this was built from; `unknown` where that cannot be told.
pub const REVISION: &str = env!("BUILD_REVISION");

mod acme;
pub mod admin;
pub mod advice;
pub mod archive;
pub mod ask;
pub mod audit;
mod banner;
pub mod bench;
pub mod boot;
mod bus;
pub mod certificate;
pub mod cli;
pub mod clock;
#[cfg(feature = "cluster")]
mod cluster;
pub mod configured;
pub mod console;
pub mod copying;
pub mod descriptors;
pub mod disk;
pub mod doctor;
mod doors;
mod driver;
mod egress;
mod events;
pub mod fault;
mod health;
mod ingress;
pub mod line;
pub mod logging;
pub mod metrics;
mod moment;
mod newest;
mod operators;
mod ops;
mod page;
pub mod phase;
pub mod promote;
mod push;
mod query;
mod rate;
pub mod rebuild;
mod recovery;
mod reload;
pub mod role;
mod routes;
mod secrets;
mod settings;
mod signals;
mod socket;
pub mod support;
mod sys;
#[cfg(feature = "testing")]
mod testing;
mod third;
mod tls;
pub mod token;
mod visit;
pub mod watched;
mod web;
pub mod why;
