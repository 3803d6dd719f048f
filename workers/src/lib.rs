//! The threads between the shards and the storage ports.
//!
//! Shards never block; what blocks runs here, one loop a file:
//! - [`commit`]: the log's one writer: gathers what the shards hand in, appends it as one durable
//!   batch, hands it back to the homes in log order.
//! - [`changes`]: what is no message on its way there.
//! - [`topics`]: in its place in a cluster: hands records to the producer of the topics, and tells what became of them.
//! - [`reads`]: a small pool that loads users, fetches history and asks the directory.
//! - [`writes`]: registrations, tokens and changes to the directory, gathered into durable batches.
//! - [`links`]: the journal of links, for who asks why somebody did not get a message.
//! - [`store`]: applied batches into the history store; retention in its quiet moments.
//!
//! [`Clock`] tells them, and the shards, what time it is and what of it to believe.
//!
//! In: rings and bounded channels. Out: rings, and [`Done`] values in the shards' queues. Every loop
//! ends when it is told to, after finishing what it has taken.

mod asking;
mod backlog;
pub mod books;
pub mod changes;
mod clock;
pub mod commit;
mod done;
mod latencies;
pub mod links;
pub mod reads;
pub mod store;
pub mod topics;
mod trouble;
pub mod writes;

pub use backlog::Backlog;
pub use clock::{Clock, News, Reading, SETTLE, Watch, utc};
pub use done::{Done, Failed, Inbox, Outlet, Ranged, Reply, Ticket, Wrote};
pub use latencies::{BOUNDS_US, Latencies};
pub use trouble::{Damage, Trouble};
