//! Services of others that clients use with the operator's account: at present credentials for a few
//! minutes of uploading to Tencent Cloud Object Storage, issued by its STS.
//!
//! In: the account from the configuration. Out: a credential that may put objects into one bucket, or
//! why there is none. A question runs on the shard's own runtime: never blocks it, never takes longer
//! than its limit, and never shows the account's key.

mod client;
mod credential;
mod sts;
mod tencent;

pub(crate) use sts::{Sts, credential};
