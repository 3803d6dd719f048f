//! The cluster engine: the ports of `openim_storage`, on components that run beside the server.
//!
//! One module a component; each knows its own and no other, and is opened with the [`Runtime`] of the process. Which of
//! them a role opens is the composition root's business.

#![forbid(unsafe_code)]

mod cause;
pub mod etcd;
pub mod kafka;
pub mod mongo;
pub mod mysql;
mod process;
pub mod redis;
mod runtime;
#[cfg(feature = "testing")]
pub mod testing;

pub use cause::{is_not_let_in, short, whole};
pub use runtime::{Begun, Runtime};
