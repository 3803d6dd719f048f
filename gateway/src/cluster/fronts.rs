//! The shards of this process, as transfers address them (R8, R5): each by the process' id with its number at the end.

use std::time::Duration;

use async_trait::async_trait;
use openim_delivery::{Fronts, Told};
use openim_record::Process;
use tokio::time::timeout;

use crate::driver::{FromBack, FromBacks};

/// How long a shard may take with what it is told: its transfer waits no longer.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Which shard of the process with this id it is, if it is one.
pub(super) fn shard_of(base: Process, front: Process) -> Option<u16> {
    (front.base() == base.base()).then(|| front.number())
}

/// See the module.
pub(crate) struct Here {
    base: Process,
    backs: FromBacks,
}

impl Here {
    /// Of the process with this id, whose shards have these queues.
    pub(crate) const fn new(base: Process, backs: FromBacks) -> Self {
        Self { base, backs }
    }
}

#[async_trait]
impl Fronts for Here {
    async fn tell(&self, front: Process, told: Told) -> Vec<u8> {
        let Some(shard) = shard_of(self.base, front) else { return Vec::new() };
        // What is dropped with a full queue has not reached anybody, and a transfer that waits for ever would stand still.
        let reached = async {
            match told {
                Told::Deliver(deliveries) => self.backs.deliver(shard, deliveries).await,
                Told::Settle(settled) => {
                    self.backs.tell(shard, FromBack::Settle(settled)).await;
                    Vec::new()
                }
            }
        };
        timeout(TOLD_WITHIN, reached).await.unwrap_or_default()
    }
}
