//! How long anybody waits: every wait for the stores, or for another shard, has an end, and is counted when that comes.
//!
//! In: a wait, and what it is for. Out: what was waited for, or [`Late`]. What was begun is never cut short: an
//! operation that changes what this shard knows runs on a task of its own, until the store has answered, while whoever
//! asked for it has been told that it is late. So memory and stores agree, and a place in a ring is given back in time.

use std::future::Future;
use std::rc::Rc;

use tokio::time::timeout;

use crate::bus::{Answer, Call, Refused};
use crate::driver::Core;
use crate::metrics::Waited;

/// The time was up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late;

impl From<Late> for Refused {
    fn from(_: Late) -> Self {
        Self::Unavailable
    }
}

impl Core {
    /// Waits, within `limits.storeTimeoutMs`.
    pub(crate) async fn in_time<T>(
        &self,
        what: Waited,
        wait: impl Future<Output = T>,
    ) -> Result<T, Late> {
        timeout(self.settings.store_time, wait).await.map_err(|_| {
            self.metrics.timeouts.of(what).add(1);
            Late
        })
    }

    /// Carries out a call at home here, and answers in time. It is finished, though whoever asked goes away: a token
    /// that is recorded must also end the links that it supersedes.
    pub(crate) async fn run_in_time(self: &Rc<Self>, call: Call) -> Result<Answer, Refused> {
        let ends = ends_by_itself(&call);
        let run = tokio::task::spawn_local(self.above.homes.run(Rc::clone(self), call));
        let done = if ends { run.await } else { self.in_time(Waited::Call, run).await? };
        done.map_err(|_| Refused::Unavailable)
    }

    /// Carries out a call of another shard, which keeps a place for the answer: in time. On a task of its own.
    pub(crate) async fn answer_in_time(self: &Rc<Self>, call: Call) -> Result<Answer, Refused> {
        match ends_by_itself(&call) {
            true => Ok(self.above.homes.run(Rc::clone(self), call).await),
            false => self.run_in_time(call).await,
        }
    }
}

/// Whether a call waits for nothing but what has an end of its own, and leaves nothing half done when it is dropped.
const fn ends_by_itself(call: &Call) -> bool {
    match call {
        Call::Bounds(_)
        | Call::LookUp(_)
        | Call::Authenticate(_)
        | Call::SendToUser(_)
        | Call::Tell(_)
        | Call::SendToGroup(_)
        | Call::Profiles(_)
        | Call::Pace(_)
        | Call::Seek(_)
        | Call::Trace(_)
        | Call::Presence(_) => true,
        Call::Register(_)
        | Call::Issue(_)
        | Call::UpdateProfile(_)
        | Call::DeleteUser(_)
        | Call::Decide(_)
        | Call::SetOptions(_)
        | Call::Group(..) => false,
    }
}
