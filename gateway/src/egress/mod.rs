//! From delivery to socket: what waits for each link, and how a link ends.

mod linger;
mod outbox;

pub(crate) use linger::{Lingering, linger};
pub(crate) use outbox::{Outbox, Pool, Untaken};
