//! What happens, told once a second to all open pages: one text for all of them, made while somebody listens.
//!
//! In: the figures of the process ([`History`]). Out: server-sent events. Bounded: `console.streamsMax` pages, each of which holds the
//! newest text alone; who does not take it in ten seconds is closed. Never: more than one look a second, however many listen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use openim_storage::port::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::figures::History;
use super::serve::{Asker, Refusal};
use super::slow::Slow;
use super::{Console, lines};
use crate::copying::Sent;

/// From the first page that listens to its first text: there is something to compare with.
const FIRST: Duration = Duration::from_millis(250);
const EVERY: Duration = Duration::from_secs(1);
/// Lines of the log that tell of something wrong.
const WRONG_MAX: usize = 8;

/// See the module.
pub(super) struct Live {
    newest: watch::Sender<Bytes>,
    /// Somebody makes texts.
    runs: AtomicBool,
    places: Arc<Semaphore>,
    places_max: usize,
}

impl Live {
    pub(super) fn new(streams_max: usize) -> Self {
        Self {
            newest: watch::Sender::new(Bytes::new()),
            runs: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(streams_max)),
            places_max: streams_max,
        }
    }

    /// Open pages that listen.
    pub(super) fn streams(&self) -> usize {
        self.places_max - self.places.available_permits()
    }
}

impl Console {
    /// An answer that has no end.
    pub(super) fn stream(
        self: &Arc<Self>,
        asker: Asker,
        alive: &Arc<AtomicBool>,
    ) -> Result<Response<Sent>, Refusal> {
        let place = Arc::clone(&self.live.places).try_acquire_owned().map_err(|_| {
            let text = "as many pages are open as console.streamsMax allows";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", text)
        })?;
        let mut newest = self.live.newest.subscribe();
        newest.mark_unchanged();
        if !self.live.runs.swap(true, Ordering::AcqRel) {
            tokio::spawn(tell(Arc::clone(self)));
        }
        let (console, asker) = (Arc::clone(self), Arc::new(asker));
        let next = Box::pin(next(Arc::clone(&console), Arc::clone(&asker), newest));
        let stream = Stream { console, asker, next, alive: Arc::clone(alive), _place: place };
        let mut response = Response::new(Sent::Other(stream.boxed_unsync()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// Makes a text a second for as long as somebody listens.
async fn tell(console: Arc<Console>) {
    let mut history = History::new(&console.sources);
    let (mut slow, mut pause) = (Slow::default(), FIRST);
    loop {
        sleep(pause).await;
        pause = EVERY;
        // Nothing is awaited between this look and the mark: whoever comes later finds it and begins anew.
        if console.live.newest.receiver_count() == 0 {
            console.live.runs.store(false, Ordering::Release);
            return;
        }
        let mut text = history.look(&console.sources);
        let (links, stuck) = slow.look(&console.asking, &console.sources.shards);
        text["slow"] = links.into();
        for (shard, looks) in stuck.into_iter().enumerate() {
            text["shards"][shard]["stuck"] = looks.into();
        }
        text["wrong"] = lines::wrong(&console.told.kept.log, WRONG_MAX).into();
        console.live.newest.send_replace(format!("data: {text}\n\n").into());
    }
}

type Heard = (Bytes, watch::Receiver<Bytes>);

/// The next text for who asked, for as long as they are logged in.
async fn next(
    console: Arc<Console>,
    asker: Arc<Asker>,
    mut newest: watch::Receiver<Bytes>,
) -> Option<Heard> {
    newest.changed().await.ok()?;
    let text = newest.borrow_and_update().clone();
    console.still_holds(&asker).then_some((text, newest))
}

struct Stream {
    console: Arc<Console>,
    asker: Arc<Asker>,
    next: Pin<Box<dyn Future<Output = Option<Heard>> + Send>>,
    alive: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let stream = self.get_mut();
        let Some((text, newest)) = ready!(stream.next.as_mut().poll(context)) else {
            return Poll::Ready(None);
        };
        stream.alive.store(true, Ordering::Relaxed);
        let (console, asker) = (Arc::clone(&stream.console), Arc::clone(&stream.asker));
        stream.next = Box::pin(next(console, asker, newest));
        Poll::Ready(Some(Ok(Frame::data(text))))
    }
}
