//! Events for the app's backend: what the log has durably, posted to `webhook.url` in the order of the log.
//!
//! Owns a thread of its own, beside the shards and the log's writer, which never notice it: it reads the log from a place that is
//! kept in the data directory, makes events of the records, and posts them a batch at a time until it is answered with 2xx. So
//! each event is there at least once, and again with the same id where the process was killed before the place was noted. Never
//! gives an event up: what retention removes before it was told is told as a `gap`. Bounded: one batch in memory.

mod form;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openim_config::Webhook;
use openim_record::Position;
use openim_storage::embedded::Cursor;
use openim_storage::port::{Replayed, StoreError};
use openim_workers::Clock;

use crate::third::{Client, Post, signature};
use crate::watched::{Figure, Watched};

/// The name of its place in the data directory.
pub(crate) const CURSOR: &str = "events";
/// Bytes of events of one batch, and one event more.
const BATCH_BYTES: usize = 1 << 20;
/// How long it waits for the log at once.
const LOOK: Duration = Duration::from_millis(100);
/// How often the place is noted.
const SAVE_EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A backend that is away is told of that often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What it shows of itself.
#[derive(Debug, Default)]
pub(crate) struct EventsStatus {
    behind_bytes: AtomicU64,
    /// When the oldest event of the batch under way was stored, unix milliseconds; 0: there is none.
    oldest_ms: AtomicI64,
    posted: AtomicU64,
    failed: AtomicU64,
    gaps: AtomicU64,
    unread: AtomicU64,
}

/// See the module.
pub(crate) struct Events {
    cursor: Cursor,
    /// Everything below was told.
    done: Position,
    webhook: Webhook,
    clock: Arc<Clock>,
    status: Arc<EventsStatus>,
    /// Whether it is to end.
    stops: Stops,
}

/// Whether the process comes to its end.
pub(crate) type Stops = Box<dyn Fn() -> bool + Send>;

/// Events that go together.
#[derive(Default)]
struct Batch {
    events: Vec<String>,
    bytes: usize,
    oldest_ms: i64,
    unread: usize,
}

impl Batch {
    fn push(&mut self, event: String, append_ms: i64) {
        if self.events.is_empty() {
            self.oldest_ms = append_ms;
        }
        self.bytes += event.len();
        self.events.push(event);
    }

    /// Takes the events of a record; whether there is no room for those of another.
    fn take(&mut self, replayed: &Replayed<'_>, webhook: &Webhook) -> ControlFlow<()> {
        let append_ms = replayed.append_ms;
        let mut events = Vec::new();
        let wanted = |kind| webhook.tells(kind);
        self.unread += form::of_record(replayed, wanted, &mut |event| events.push(event));
        for event in events {
            self.push(event, append_ms);
        }
        match self.events.len() >= webhook.batch_max || self.bytes >= BATCH_BYTES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn json(&self) -> String {
        format!("{{\"events\":[{}]}}", self.events.join(","))
    }
}

impl Events {
    pub(crate) fn new(
        cursor: Cursor,
        webhook: Webhook,
        clock: Arc<Clock>,
        (status, stops): (Arc<EventsStatus>, Stops),
    ) -> Self {
        Self { done: cursor.next(), cursor, webhook, clock, status, stops }
    }

    /// Tells events until it is told to stop.
    pub(crate) fn run(mut self) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, self.tell()),
            Err(cause) => tracing::error!(%cause, "no events are told (webhook.url); restart"),
        }
        self.save();
    }

    async fn tell(&mut self) {
        let Some(endpoint) = self.webhook.url.endpoint().cloned() else { return };
        let client = Client::new(endpoint, ANSWER_BYTES_MAX).keeping(1);
        let mut saved = Instant::now();
        // A place that was never noted would begin with what comes then.
        self.save();
        while !self.stops() {
            let batch = self.gather().await;
            self.status.behind_bytes.store(self.cursor.behind_bytes(), Ordering::Relaxed);
            if !batch.events.is_empty() {
                self.status.oldest_ms.store(batch.oldest_ms, Ordering::Relaxed);
                if !self.post(&client, &batch).await {
                    // The next run tells them.
                    return;
                }
                self.status.oldest_ms.store(0, Ordering::Relaxed);
                self.status.posted.fetch_add(batch.events.len() as u64, Ordering::Relaxed);
            }
            self.done = self.cursor.next();
            if saved.elapsed() >= SAVE_EVERY {
                saved = Instant::now();
                self.save();
            }
        }
    }

    fn stops(&self) -> bool {
        (self.stops)()
    }

    /// Notes the place. Where that fails it is tried again, and a kill meanwhile has events told again.
    fn save(&mut self) {
        if let Err(error) = self.cursor.save(self.done) {
            tracing::warn!("the place of webhook events cannot be noted: {error}");
        }
    }

    /// What comes next of the log; nothing where there is nothing for a moment.
    async fn gather(&mut self) -> Batch {
        let mut batch = Batch::default();
        let webhook = &self.webhook;
        let polled = self.cursor.poll(LOOK, &mut |replayed| batch.take(&replayed, webhook));
        if let Err(error) = polled {
            self.pass(&mut batch, &error).await;
        }
        if let Some((from, to)) = self.cursor.take_removed() {
            self.tell_gap(&mut batch, (from, to), "retention removed it before it was told");
        }
        if batch.unread > 0 {
            self.status.unread.fetch_add(batch.unread as u64, Ordering::Relaxed);
            tracing::error!(
                rows = batch.unread,
                below = self.cursor.next().0,
                "records of the log that this version cannot read are told to nobody (webhook.url)"
            );
        }
        batch
    }

    /// Goes on behind a part of the log that cannot be read.
    async fn pass(&mut self, batch: &mut Batch, error: &StoreError) {
        match self.cursor.pass() {
            Some(gap) => self.tell_gap(batch, gap, &format!("it cannot be read: {error}")),
            None => {
                tracing::error!("webhook events wait for the log, which cannot be read: {error}");
                self.rest(PAUSE_MAX).await;
            }
        }
    }

    fn tell_gap(&self, batch: &mut Batch, (from, to): (Position, Position), why: &str) {
        self.status.gaps.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            from = from.0,
            to = to.0,
            "a part of the log is told to nobody (webhook.url): {why}; the backend gets an event gap"
        );
        let now_ms = self.clock.read().unix_ms();
        let gap = form::gap(from, to, now_ms, why);
        batch.bytes += gap.len();
        // It lies before what was read behind it.
        batch.events.insert(0, gap);
        if batch.oldest_ms == 0 {
            batch.oldest_ms = now_ms;
        }
    }

    /// Posts until it is taken; whether it was before the end.
    async fn post(&self, client: &Client, batch: &Batch) -> bool {
        let body = bytes::Bytes::from(batch.json());
        let (mut pause, mut told) = (PAUSE, None);
        loop {
            let why = match self.post_once(client, &body).await {
                Ok(()) => break,
                Err(why) => why,
            };
            if self.stops() {
                return false;
            }
            self.status.failed.fetch_add(1, Ordering::Relaxed);
            if told.is_none_or(|at: Instant| at.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                tracing::warn!(
                    "the app's backend does not take events ({}, webhook.url): {why}; they wait",
                    self.webhook.url.endpoint().map(ToString::to_string).unwrap_or_default()
                );
            }
            self.rest(jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        if told.is_some() {
            tracing::info!("the app's backend takes events again");
        }
        true
    }

    async fn post_once(&self, client: &Client, body: &bytes::Bytes) -> Result<(), String> {
        let unix_s = self.clock.read().unix_ms().div_euclid(1000);
        let headers = signature::headers(self.webhook.secret.expose(), unix_s, body);
        let (path, content_type) = (self.webhook.url.path(), "application/json");
        let post = Post { path, content_type, headers: &headers, body: body.clone() };
        let time = Duration::from_secs(self.webhook.timeout_seconds);
        tokio::select! {
            answer = tokio::time::timeout(time, client.post(&post)) => match answer {
                Ok(Ok(reply)) if (200..300).contains(&reply.status) => Ok(()),
                Ok(Ok(reply)) => Err(format!("it answers with status {}", reply.status)),
                Ok(Err(cause)) => Err(cause.to_string()),
                Err(_) => Err("no answer within webhook.timeoutSeconds".to_owned()),
            },
            () = self.stopped() => Err("stopping".to_owned()),
        }
    }

    async fn stopped(&self) {
        while !self.stops() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn rest(&self, time: Duration) {
        tokio::time::timeout(time, self.stopped()).await.ok();
    }
}

/// Between half and all of it.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    // Without chance all wait for as long.
    getrandom::fill(&mut random).ok();
    pause / 2 + pause / 2 * u32::from(random[0]) / 255
}

/// What is watched of the thread.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) status: Arc<EventsStatus>,
    pub(crate) clock: Arc<Clock>,
}

impl Watched for Figures {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let status = &self.status;
        let oldest_ms = status.oldest_ms.load(Ordering::Relaxed);
        let age_ms = if oldest_ms > 0 { self.clock.read().unix_ms() - oldest_ms } else { 0 };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        show(Figure::EventsBehind, age_ms.max(0) as f64 / 1000.0);
        show(Figure::EventsBehindBytes, count(&status.behind_bytes));
        show(Figure::EventsPosted, count(&status.posted));
        show(Figure::EventsFailed, count(&status.failed));
        show(Figure::EventsGaps, count(&status.gaps));
        show(Figure::EventsUnread, count(&status.unread));
    }
}
