//! What the other processes of a cluster tell a shard that has only a front: messages for its links, which of its sends
//! are settled, and which of its links are replaced elsewhere.
//!
//! In: [`FromBack`] values from tasks on other threads, through one bounded queue a shard ([`FromBacks`]); whoever finds it
//! full waits. Out: pushes, and for each delivery the platforms that were reached. Never: the same seq twice on one link
//! (R8); a link that was given it before counts as reached. A batch is taken in parts, so that what it puts into outboxes
//! is offered to the sockets before they are called too slow.

use std::sync::Arc;

use openim_bus::{Doorbell, Shared};
use openim_record::{Deliver, LinkId, Member, Now, Settled, broken};
use openim_shard::Shard;
use openim_transfer::{Delivery, message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Core;
use super::io::Io;
use super::pump::{BATCH, TURN_BYTES};

/// Values that wait for one shard. A transfer has four batches of 1 MiB under way at most, and there are few of them.
const TOLD_MAX: usize = 64;

/// What a shard is told.
#[derive(Debug)]
pub(crate) enum FromBack {
    /// Messages for links of users here, in order. Answered with the platforms reached, a bit each, a byte a delivery.
    Deliver(Vec<Delivery>, oneshot::Sender<Vec<u8>>),
    /// These sends, which this shard has produced, are in the inboxes of their senders.
    Settle(Vec<Settled>),
    /// Another process has a newer link of the same user and platform.
    Replaced(LinkId),
}

/// One shard's queue. A place in it is taken with a permit, which goes with the value.
#[derive(Debug)]
struct Inbound {
    told: Shared<(FromBack, OwnedSemaphorePermit)>,
    places: Arc<Semaphore>,
}

/// The queues of all shards, by index.
#[derive(Clone, Debug)]
pub(crate) struct FromBacks(Arc<[Inbound]>);

/// A batch of deliveries that was begun.
#[derive(Debug)]
pub(super) struct Delivering {
    left: std::vec::IntoIter<Delivery>,
    reached: Vec<u8>,
    answer: oneshot::Sender<Vec<u8>>,
    /// Held until the batch is done: it lies here as it lay in the queue.
    place: OwnedSemaphorePermit,
}

impl FromBacks {
    /// A queue for each shard, whose bell it rings.
    pub(crate) fn new(bells: &[Arc<Doorbell>]) -> Self {
        let inbound = |bell: &Arc<Doorbell>| Inbound {
            told: Shared::new(TOLD_MAX, Arc::clone(bell)),
            places: Arc::new(Semaphore::new(TOLD_MAX)),
        };
        Self(bells.iter().map(inbound).collect())
    }

    /// Tells a shard something, when there is a place for it. What is told to one shard comes there in the order in which
    /// these calls were polled first. Without an end if the shard is gone: whoever waits brings one.
    pub(crate) async fn tell(&self, shard: u16, what: FromBack) {
        let Some(Inbound { told, places }) = self.0.get(usize::from(shard)) else { return };
        // Never closed, so there is always a permit in the end.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        if told.try_send((what, place)).is_err() {
            broken("the queue has a place for each permit");
        }
    }

    /// Hands deliveries to a shard: of each the platforms reached, a bit each. No such shard, or one that has ended,
    /// reaches nobody.
    pub(crate) async fn deliver(&self, shard: u16, deliveries: Vec<Delivery>) -> Vec<u8> {
        let nobody = vec![0; deliveries.len()];
        let (answer, reached) = oneshot::channel();
        self.tell(shard, FromBack::Deliver(deliveries, answer)).await;
        reached.await.unwrap_or(nobody)
    }

    fn of(&self, shard: u16) -> &Inbound {
        &self.0[usize::from(shard)]
    }
}

impl Core {
    /// Takes what this shard was told, as much as one turn may; whether more is left.
    pub(super) fn take_from_backs(&self, now: Now) -> bool {
        let Some(backs) = &self.from_backs else { return false };
        let inbound = backs.of(self.here.index);
        let mut taken = 0;
        while taken < BATCH && self.io.borrow().turn_bytes < TURN_BYTES {
            if let Some(delivering) = self.delivering.take() {
                taken += self.go_on_delivering(delivering, BATCH - taken, now);
                continue;
            }
            let Some((told, place)) = inbound.told.try_recv() else { return false };
            match told {
                FromBack::Deliver(deliveries, answer) => {
                    let reached = Vec::with_capacity(deliveries.len());
                    let left = deliveries.into_iter();
                    let begun = Delivering { left, reached, answer, place };
                    self.delivering.replace(Some(begun));
                }
                FromBack::Settle(all) => {
                    taken += all.len();
                    self.with(|shard, io| {
                        all.into_iter().for_each(|settled| shard.settled(settled, io));
                    });
                }
                FromBack::Replaced(link) => self.with(|shard, io| shard.replaced(link, io)),
            }
            taken += 1;
        }
        self.has_from_backs()
    }

    /// Whether something is waiting that this shard was told.
    pub(super) fn has_from_backs(&self) -> bool {
        let waits = |backs: &FromBacks| !backs.of(self.here.index).told.is_empty();
        self.delivering.borrow().is_some() || self.from_backs.as_ref().is_some_and(waits)
    }

    /// Makes deliveries of a batch, at most so many; how many it made. The batch is answered when all are.
    fn go_on_delivering(&self, mut batch: Delivering, deliveries_max: usize, now: Now) -> usize {
        let mut made = 0;
        while made < deliveries_max && self.io.borrow().turn_bytes < TURN_BYTES {
            let Some(delivery) = batch.left.next() else {
                // Whoever asked may be gone.
                let _heard = batch.answer.send(batch.reached);
                drop(batch.place);
                return made;
            };
            batch.reached.push(self.with(|shard, io| deliver(shard, io, &delivery, now)));
            made += 1;
        }
        self.delivering.replace(Some(batch));
        made
    }
}

/// Makes a delivery: the platforms reached, a bit each.
fn deliver(shard: &mut Shard, io: &mut Io, delivery: &Delivery, now: Now) -> u8 {
    let &Delivery { ref uid, seq, except_platform, .. } = delivery;
    let message = match message(&delivery.message, delivery.sent_ms) {
        Ok(message) => message,
        Err(cause) => {
            // Its owner could read it: a later build, which this process is to become.
            tracing::debug!(%uid, %cause, "cannot read a message that is to be pushed");
            return 0;
        }
    };
    let uid = uid.as_str();
    let member = delivery.member.map(|emphasised| Member { uid, emphasised });
    let deliver = Deliver { uid, except_platform, message: &message, seq, member, ticket: 0 };
    if let Some(alone) = &mut io.alone {
        alone.reached.clear();
    }
    shard.deliver(&deliver, now, io);
    let links = io.alone.iter().flat_map(|alone| &alone.reached);
    let platforms = links.filter_map(|link| shard.front().platform(*link));
    platforms.fold(0, |reached, platform| reached | 1_u8.checked_shl(platform.into()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
