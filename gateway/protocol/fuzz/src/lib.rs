//! The bodies of the fuzz targets as plain functions: one input in, a panic when a rule is broken.
//!
//! In the parent folder, `cargo +nightly fuzz run TARGET fuzz/corpus/TARGET fuzz/seeds/TARGET` explores;
//! `cargo test` there, and here for the token, runs seeded mutations of the same seeds.

pub mod mutate;
pub mod token;
pub mod wire;
