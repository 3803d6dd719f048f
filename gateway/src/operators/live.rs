//! What happens, told once a second to all open pages: one text for all of them, made while somebody listens.
//!
//! In: the figures of the process ([`History`]). Out: server-sent events. Bounded: `console.streamsMax` pages, each of which holds the
//! newest text alone; who does not take it in ten seconds is closed. Never: more than one look a second, however many listen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use openim_storage::port::StoreError;
use parking_lot::Mutex;
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
    /// With whoever makes texts, while somebody listens; kept from one time to the next, for what shards owe.
    slow: Mutex<Option<Slow>>,
    places: Arc<Semaphore>,
    places_max: usize,
}

impl Live {
    pub(super) fn new(streams_max: usize) -> Self {
        Self {
            newest: watch::Sender::new(Bytes::new()),
            slow: Mutex::new(Some(Slow::default())),
            places: Arc::new(Semaphore::new(streams_max)),
            places_max: streams_max,
        }
    }

    /// Open pages that listen.
    pub(super) fn streams(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    /// For who is to make texts; none while somebody does.
    fn begin(&self) -> Option<Slow> {
        let mut slow = self.slow.lock().take()?;
        slow.begin();
        Some(slow)
    }

    /// Nobody makes texts any more.
    fn end(&self, slow: Slow) {
        *self.slow.lock() = Some(slow);
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
        if let Some(slow) = self.live.begin() {
            tokio::spawn(tell(Arc::clone(self), slow));
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
async fn tell(console: Arc<Console>, mut slow: Slow) {
    let mut history = History::new(&console.sources);
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        pause = EVERY;
        // Nothing is awaited between this look and the mark: whoever comes later finds it and begins anew.
        if console.live.newest.receiver_count() == 0 {
            return console.live.end(slow);
        }
        let mut text = history.look(&console.sources);
        let (links, stuck) = slow.look(&console.asking, &console.sources.shards, Instant::now());
        text["slow"] = links.into();
        for (shard, seconds) in stuck.into_iter().enumerate() {
            text["shards"][shard]["stuck"] = seconds.into();
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

#[cfg(test)]
mod tests {
    use openim_record::Placement;

    use super::*;
    use crate::metrics::ShardMetrics;
    use crate::operators::asking::UNDER_WAY_MAX;
    use crate::operators::ways;

    #[test]
    fn however_often_pages_come_a_stuck_shard_has_one_question() {
        let (asking, _ends) = ways(1, Placement::new(8));
        let shards = [Arc::new(ShardMetrics::default())];
        let (live, began) = (Live::new(1), Instant::now());
        for second in 0..100 {
            let mut slow = live.begin().expect("nobody makes texts");
            assert!(live.begin().is_none(), "somebody does");
            let stuck = slow.look(&asking, &shards, began + Duration::from_secs(second)).1;
            assert_eq!(stuck, [if second >= 3 { second } else { 0 }]);
            live.end(slow);
        }
        let taken = std::iter::from_fn(|| asking.aside(0, async |_| ()).ok()).count();
        assert_eq!(taken, UNDER_WAY_MAX, "the others have their places");
    }
}
