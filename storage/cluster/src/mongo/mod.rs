//! History on MongoDB: inboxes, and the checkpoints of those who fill them (rules R3 and R4 of a cluster).
//!
//! In: batches of the owner of a partition, questions of whoever reads inboxes. Out: what is durable. A batch is several
//! writes, each durable by a majority and in a journal before the next begins: bodies of group messages, entries, users'
//! documents; page and checkpoint are a call of their own, and the checkpoint is compared and set in the store. Small
//! writes of several batches share commands. Whatever contradicts what is stored is refused, so a batch that ends
//! anywhere leaves prefixes, and a replay from the checkpoint completes them.
//! Never: a retry of its own, an entry numbered here, a lock.

mod claim;
mod fault;
mod gather;
mod generation;
mod open;
mod options;
mod owner;
mod port;
mod range;
mod retain;
mod server;
mod shapes;
mod whole;
mod writes;

use std::future::Future;
use std::sync::Arc;

use openim_storage::port::{Cause, Spot, StoreError};

pub use self::fault::contradiction;
pub use self::generation::Generation;
pub use self::open::{Looked, OpenError, Warning};
pub use self::options::Options;
pub use self::owner::StoredPartition;
use self::server::Server;
pub use self::whole::Lacking;
use crate::Runtime;

/// See the module. Copies are of one and the same.
#[derive(Clone)]
pub struct MongoHistory {
    runtime: Runtime,
    server: Arc<Server>,
}

/// What is said of calls without their runtime.
const ENDED: &str = "the process ends";

impl MongoHistory {
    /// Runs a call where its client can, within its time.
    async fn call<T, F>(
        &self,
        doing: &str,
        call: impl FnOnce(Arc<Server>, String) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let what = self.server.at(doing);
        let call = call(self.server.clone(), what.clone());
        let timeout = self.server.options.call_timeout;
        // The clock is the runtime's.
        let begun = self.runtime.begin(async move { tokio::time::timeout(timeout, call).await });
        match begun.answer().await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(late(&what)),
            None => Err(fault::unavailable(&what, ENDED)),
        }
    }
}

fn late(what: &str) -> StoreError {
    fault::unavailable(what, "it takes too long")
}

impl Server {
    /// A document that is not as it was written.
    fn malformed(
        &self,
        collection: &str,
        key: impl std::fmt::Display,
        cause: impl Into<Cause>,
    ) -> StoreError {
        let place = Spot::Key(self.place(collection, key));
        StoreError::Corrupt { place, cause: cause.into() }
    }
}
