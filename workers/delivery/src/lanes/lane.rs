//! The task of a lane: keeps a stream, sends what waits, and answers.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openim_record::{Pauses, Process, spread};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::LaneOptions;
use super::connect::{Stream, connect};
use super::counters::{Counters, Room};
use super::ledger::{Ledger, Owed};
use crate::Told;

/// The first pause between two tries to connect; each is longer, and never all lanes try at once.
const FIRST: Duration = Duration::from_millis(50);

/// Something told, on its way into the lane.
pub(super) struct Call {
    pub(super) front: Process,
    pub(super) told: Told,
    pub(super) until: Instant,
    pub(super) done: Owed,
    pub(super) room: Room,
}

pub(super) struct Lane {
    address: String,
    calls: mpsc::Receiver<Call>,
    counters: Arc<Counters>,
    options: Arc<LaneOptions>,
    ledger: Ledger,
    pauses: Pauses,
    link: Link,
    /// Whether it has been said that there is no stream, since there was one.
    complained: bool,
    /// Whether there ever was one.
    reached: bool,
}

enum Link {
    Opening(Pin<Box<dyn Future<Output = Result<Box<Stream>, Status>> + Send>>),
    Open(Box<Stream>),
}

enum Event {
    Opened(Box<Stream>),
    Answer(Bytes),
    Broken(Status),
}

impl Link {
    /// What happens next. Dropped before, nothing is lost.
    async fn next(&mut self) -> Event {
        match self {
            Self::Opening(opening) => match opening.await {
                Ok(stream) => Event::Opened(stream),
                Err(status) => Event::Broken(status),
            },
            Self::Open(stream) => match stream.answers.message().await {
                Ok(Some(answer)) => Event::Answer(answer),
                Ok(None) => Event::Broken(Status::unavailable("the other side has ended it")),
                Err(status) => Event::Broken(status),
            },
        }
    }
}

impl Lane {
    pub(super) fn new(
        address: &str,
        calls: mpsc::Receiver<Call>,
        counters: Arc<Counters>,
        options: Arc<LaneOptions>,
    ) -> Self {
        let address = address.to_owned();
        let ledger = Ledger::new(Arc::clone(&counters));
        let link = Link::Opening(Box::pin(opening(address.clone(), Arc::clone(&options), None)));
        let (pauses, complained, reached) = (Pauses::new(FIRST, options.pause_max), false, false);
        Self { address, calls, counters, options, ledger, pauses, link, complained, reached }
    }

    /// Runs until nobody is left who could tell it anything, or it is cut off.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                call = self.calls.recv() => {
                    let Some(call) = call else { return };
                    self.ledger.take(call);
                    // All that was told meanwhile goes into the same batch.
                    while let Ok(call) = self.calls.try_recv() {
                        self.ledger.take(call);
                    }
                }
                event = self.link.next() => self.on(event),
                () = passed(self.ledger.deadline()) => {}
            }
            self.ledger.expire(Instant::now());
            self.send();
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Opened(stream) => {
                self.counters.connected();
                self.reached = true;
                self.link = Link::Open(stream);
                if std::mem::take(&mut self.complained) {
                    tracing::info!(address = %self.address, "deliveries have a stream again");
                }
            }
            Event::Answer(answer) => match self.ledger.answered(&answer) {
                Ok(()) => self.pauses.start_over(),
                Err(_) => self.broken(&Status::data_loss("an answer is to no batch that was sent")),
            },
            Event::Broken(status) => self.broken(&status),
        }
    }

    /// Sends what may be under way.
    fn send(&mut self) {
        let Link::Open(stream) = &self.link else { return };
        while let Some(batch) = self.ledger.next_batch() {
            // There is a place for each; without a reader the answers end too, and are noticed there.
            drop(stream.batches.try_send(batch.into()));
        }
    }

    fn broken(&mut self, status: &Status) {
        let why = explained(status, self.reached);
        self.ledger.broken();
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(
                address = %self.address,
                error = why,
                "deliveries have no stream to this process"
            );
        }
        self.counters.broken(why);
        // Chance enough, without a source of it: the keys of a fresh hasher.
        let chance = RandomState::new().build_hasher().finish() as u16;
        let pause = spread(self.pauses.failed(), chance);
        let options = Arc::clone(&self.options);
        self.link = Link::Opening(Box::pin(opening(self.address.clone(), options, Some(pause))));
    }
}

/// With the setting that is wrong, perhaps.
fn explained(status: &Status, reached: bool) -> String {
    let why = status.message();
    match status.code() {
        Code::Unauthenticated => {
            format!("{why}: cluster.secret must be the same in all processes")
        }
        Code::Unavailable | Code::DeadlineExceeded | Code::InvalidArgument if !reached => {
            format!("{why}; if it runs, its cluster.advertise does not lead there from here")
        }
        _ => why.to_owned(),
    }
}

async fn opening(
    address: String,
    options: Arc<LaneOptions>,
    pause: Option<Duration>,
) -> Result<Box<Stream>, Status> {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    connect(&address, &options).await
}

/// Waits until then; without a time for ever.
async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}
