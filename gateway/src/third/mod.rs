//! Services of others that are asked over HTTP: for credentials of a few minutes to upload to Tencent Cloud Object Storage,
//! issued by its STS; and the app's backend, about messages before they are taken.
//!
//! In: accounts and addresses from the configuration. Out: an answer, or why there is none. A question runs on the shard's own
//! runtime: never blocks it, never takes longer than its limit, and never shows a key.

mod client;
mod credential;
mod judge;
mod names;
pub(crate) mod signature;
mod sts;
mod tencent;

pub(crate) use client::{Client, Post};
pub(crate) use judge::{Judge, Terms, Verdict};
pub(crate) use sts::{Sts, credential};
