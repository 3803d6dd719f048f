//! The bodies of the fuzz targets as plain functions: one input in, a panic when a rule is broken.
//!
//! `cargo +nightly fuzz run TARGET corpus/TARGET seeds/TARGET` explores (in this folder's parent);
//! `cargo test` in the parent, and here for the token, runs seeded mutations of the same seeds.

pub mod mutate;
pub mod token;
pub mod wire;
