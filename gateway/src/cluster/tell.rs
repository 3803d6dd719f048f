//! What this process tells all others of a cluster (R9): events, and changes of tokens that are over, in a bounded queue,
//! until Redis has them.
//!
//! In: both, from shards, which never wait. Out: the same, in order, tried again for as long as it takes. Of what finds no
//! place in the queue one word is told: that all links are to be looked at. A change that is not told to be over costs
//! reads of MySQL, no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openim_cluster::Runtime;
use openim_cluster::redis::{Change, Event, Events, Redis, TokenStates};
use openim_record::UserId;
use openim_storage::port::StoreError;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::rest::Rest;
use super::status::Status;

/// What waits to be told: some seconds of logins.
const WAITING_MAX: usize = 16 * 1024;

/// Something to tell.
enum Item {
    Event(Event),
    /// A change of a user's tokens is over.
    Changed(UserId, Change),
}

/// The way to Redis.
#[derive(Clone)]
pub(super) struct Tell {
    items: mpsc::Sender<Item>,
    /// Something found no place.
    missed: Arc<AtomicBool>,
}

impl Tell {
    /// Starts to tell. Ends when nobody has a way any more.
    pub(super) fn start(
        runtime: &Runtime,
        redis: Redis,
        tokens: TokenStates,
        status: Arc<Status>,
    ) -> Self {
        let (items, waiting) = mpsc::channel(WAITING_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        let to = To { redis, tokens, status };
        // It ends by itself; nobody waits for it.
        drop(runtime.begin(run(waiting, to, Arc::clone(&missed))));
        Self { items, missed }
    }

    /// Tells an event, some time.
    pub(super) fn event(&self, event: Event) {
        if self.items.try_send(Item::Event(event)).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Tells that a change of a user's tokens is over, some time or never.
    pub(super) fn changed(&self, user: UserId, change: Change) {
        // Without it they are read in MySQL.
        let _missed = self.items.try_send(Item::Changed(user, change));
    }
}

/// Where it is told.
struct To {
    redis: Redis,
    tokens: TokenStates,
    status: Arc<Status>,
}

async fn run(mut waiting: mpsc::Receiver<Item>, to: To, missed: Arc<AtomicBool>) {
    while let Some(item) = waiting.recv().await {
        to.until_told(&item).await;
        // There is room again, so whatever is missed from now on is missed behind this.
        if missed.swap(false, Ordering::AcqRel) {
            to.until_told(&Item::Event(Event::All)).await;
        }
    }
}

impl To {
    async fn until_told(&self, item: &Item) {
        let mut rest = Rest::new();
        loop {
            match self.tell(item).await {
                Ok(()) => return self.status.tells(None::<&&str>),
                Err(error) => self.status.tells(Some(&error)),
            }
            sleep(rest.next()).await;
        }
    }

    async fn tell(&self, item: &Item) -> Result<(), StoreError> {
        match item {
            Item::Event(event) => Events::tell(&self.redis, event).await,
            Item::Changed(user, change) => self.tokens.changed(user, *change).await,
        }
    }
}
