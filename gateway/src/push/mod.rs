//! Offline push on the embedded engine: a thread that reads the log beside the server and has who is away told of messages.
//!
//! In: records that are on the device, from the place that the data directory keeps. Out: notices to the services of `push`. Each
//! message is asked about at its receiver's home, some hundreds in one question; who got it on a mobile terminal is not told. Bounded:
//! what is asked about at once, what waits to be asked again, and behind that the queues of the services: then the log is read
//! later, which nobody else notices. Never: between a message and its delivery, or in the way of retention.

mod figures;
mod pending;
mod reading;
mod telling;
mod vendors;
mod ways;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openim_push::{Places, Sender};
use openim_record::Position;
use openim_storage::embedded::Cursor;
use openim_storage::port::{Directory, History, Preferences};
use openim_workers::Clock;

pub(crate) use self::figures::Figures;
use self::figures::Status;
use self::pending::Waiting;
use self::reading::{Candidate, Reader};
pub(crate) use self::vendors::{is_wanted, options, vendors};
pub(crate) use self::ways::{Ways, ways};
use self::world::Outside;

/// Messages that are asked about at once.
const BATCH: usize = 512;
/// Between two looks for what has come.
const LOOK: Duration = Duration::from_millis(20);
/// The place is kept that often.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// What the readers' threads of names of services may be.
const LOOKUPS_MAX: usize = 2;

/// What the thread works with.
pub(crate) struct Given {
    pub(crate) cursor: Cursor,
    pub(crate) ways: Ways,
    pub(crate) preferences: Arc<dyn Preferences>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) history: Arc<dyn History>,
    pub(crate) clock: Arc<Clock>,
    /// Whether notices say no more than that there is a message.
    pub(crate) hide_content: bool,
    /// Of older messages nobody is told.
    pub(crate) max_age: Duration,
    pub(crate) devices_max: usize,
}

/// The thread's work.
pub(crate) struct Push {
    given: Given,
    reader: Reader,
    sender: Sender,
    places: Arc<Places>,
    status: Arc<Status>,
    stop: Arc<AtomicBool>,
    waiting: Waiting,
    /// Names of who wrote, for a while.
    names: HashMap<String, String>,
    named_since: Instant,
}

impl Push {
    /// The work, what is seen of it, and what ends it.
    pub(crate) fn new(
        given: Given,
        vendors: Vec<openim_push::Vendor>,
        options: openim_push::Options,
    ) -> (Self, Figures, Arc<AtomicBool>) {
        let (status, stop) = (Arc::new(Status::default()), Arc::new(AtomicBool::new(false)));
        let world = Outside {
            clock: Arc::clone(&given.clock),
            ways: given.ways.clone(),
            preferences: Arc::clone(&given.preferences),
            devices_max: given.devices_max,
        };
        let sender = Sender::new(vendors, options, Arc::new(world));
        let figures = Figures { status: Arc::clone(&status), sender: sender.clone() };
        let push = Self {
            reader: Reader::default(),
            sender,
            places: Arc::default(),
            status,
            stop: Arc::clone(&stop),
            waiting: Waiting::default(),
            names: HashMap::new(),
            named_since: Instant::now(),
            given,
        };
        (push, figures, stop)
    }

    /// Works until it is told to stop.
    pub(crate) fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS_MAX)
            .thread_name("push-lookup")
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.work());
                // What is under way comes again at the next start.
                runtime.shutdown_background();
            }
            Err(cause) => tracing::error!(%cause, "offline push cannot start: nobody is told"),
        }
    }

    async fn work(mut self) {
        let mut saved = Instant::now();
        let mut complained = false;
        while !self.stop.load(Ordering::Acquire) {
            let now_ms = self.given.clock.read().unix_ms();
            let mut batch = self.waiting.due(Instant::now(), BATCH);
            if batch.len() < BATCH && self.waiting.has_room() {
                self.read(&mut batch, now_ms);
            }
            if batch.is_empty() {
                tokio::time::sleep(LOOK).await;
            } else {
                self.tell(batch, now_ms).await;
            }
            self.status.behind(self.given.cursor.behind_bytes(), self.waiting.len());
            if saved.elapsed() >= SAVE_EVERY {
                saved = Instant::now();
                self.save(&mut complained);
            }
        }
        self.save(&mut complained);
    }

    /// Takes what the log has, up to a batch of it.
    fn read(&mut self, batch: &mut Vec<Candidate>, now_ms: i64) {
        let Self { given, reader, places, status, .. } = self;
        let oldest_ms = now_ms - i64::try_from(given.max_age.as_millis()).unwrap_or(i64::MAX);
        let terms = reading::Terms { oldest_ms, hidden: given.hide_content, places };
        match reader.read(&mut given.cursor, &terms, BATCH, batch) {
            Ok(old) => status.old.add(old),
            Err(cause) => {
                let passed = given.cursor.pass();
                if let Some((from, to)) = passed {
                    tracing::error!(
                        %cause, from = from.0, to = to.0,
                        "the log cannot be read for offline push: of what lies there nobody is told"
                    );
                }
            }
        }
        if let Some((from, to)) = given.cursor.take_removed() {
            tracing::warn!(
                from = from.0,
                to = to.0,
                "retention removed a part of the log before offline push had read it: of that nobody is told"
            );
        }
    }

    /// Notes durably how far all is dealt with.
    fn save(&mut self, complained: &mut bool) {
        let next = self.reader.next(&self.given.cursor);
        let done = self.places.first().map_or(next, |first| next.min(Position(first)));
        let saved = self.given.cursor.save(done);
        if let Err(cause) = &saved
            && !*complained
        {
            tracing::error!(%cause, "the place of offline push cannot be kept: after a restart some are told again");
        }
        *complained = saved.is_err();
    }
}
