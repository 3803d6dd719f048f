//! What this process tells all others of a cluster (R9): events, in a bounded queue, until the stream has them.
//!
//! In: events, from shards, which never wait. Out: the same into the stream, in order, tried again for as long as it takes.
//! What finds no place in the queue is told in one word: that all links are to be looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openim_cluster::Runtime;
use openim_cluster::redis::{Event, Events, Redis};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::rest::Rest;
use super::status::Status;

/// Events that wait to be told: some seconds of logins.
const WAITING_MAX: usize = 16 * 1024;

/// The way into the stream.
#[derive(Clone)]
pub(super) struct Tell {
    events: mpsc::Sender<Event>,
    /// Something found no place.
    missed: Arc<AtomicBool>,
}

impl Tell {
    /// Starts to tell. Ends when nobody has a way any more.
    pub(super) fn start(runtime: &Runtime, redis: Redis, status: Arc<Status>) -> Self {
        let (events, waiting) = mpsc::channel(WAITING_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        // It ends by itself; nobody waits for it.
        drop(runtime.begin(run(waiting, redis, Arc::clone(&missed), status)));
        Self { events, missed }
    }

    /// Tells an event, some time.
    pub(super) fn event(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }
}

async fn run(
    mut waiting: mpsc::Receiver<Event>,
    redis: Redis,
    missed: Arc<AtomicBool>,
    status: Arc<Status>,
) {
    while let Some(event) = waiting.recv().await {
        until_told(&redis, &event, &status).await;
        // There is room again, so whatever is missed from now on is missed behind this.
        if missed.swap(false, Ordering::AcqRel) {
            until_told(&redis, &Event::All, &status).await;
        }
    }
}

async fn until_told(redis: &Redis, event: &Event, status: &Status) {
    let mut rest = Rest::new();
    loop {
        match Events::tell(redis, event).await {
            Ok(()) => return status.tells(None::<&&str>),
            Err(error) => status.tells(Some(&error)),
        }
        sleep(rest.next()).await;
    }
}
