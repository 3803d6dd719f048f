//! Bodies of the operators' port: a text, or a piece of a file that is read as it is sent.
//!
//! Bounded: one piece of [`PIECE_BYTES`] in memory, read on a thread that may wait for the disk.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use openim_storage::embedded::copy::Span;
use openim_storage::port::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, Sleep, sleep_until};

use super::serve::Pace;

/// Read and sent at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// The body of an answer.
pub(crate) enum Sent {
    Text(Full<Bytes>),
    File(FileBody),
    /// One that says itself what comes next.
    Other(UnsyncBoxBody<Bytes, StoreError>),
}

/// A piece of a file.
pub(crate) struct FileBody {
    pub(super) span: Arc<Span>,
    pub(super) at: u64,
    pub(super) reading: Option<JoinHandle<Result<Vec<u8>, StoreError>>>,
    pub(super) pausing: Option<Pin<Box<Sleep>>>,
    pub(super) pace: Arc<Pace>,
    /// Told that it goes on.
    pub(super) alive: Arc<AtomicBool>,
    pub(super) sent: Arc<AtomicU64>,
    /// One reader.
    pub(super) _place: OwnedSemaphorePermit,
}

impl From<Full<Bytes>> for Sent {
    fn from(text: Full<Bytes>) -> Self {
        Self::Text(text)
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Self::Text(text) => {
                let never = |never: Infallible| match never {};
                Pin::new(text)
                    .poll_frame(context)
                    .map(|frame| frame.map(|read| read.map_err(never)))
            }
            Self::File(body) => body.poll(context),
            Self::Other(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_end_stream(),
            Self::File(body) => body.at >= body.span.len(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => text.size_hint(),
            Self::File(body) => SizeHint::with_exact(body.span.len() - body.at),
            Self::Other(body) => body.size_hint(),
        }
    }
}

impl FileBody {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let bytes = (self.span.len() - self.at).min(PIECE_BYTES);
        if bytes == 0 {
            return Poll::Ready(None);
        }
        self.alive.store(true, Ordering::Relaxed);
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(context));
        } else if let Some(pause) = self.pace.pause(bytes) {
            let mut pausing = Box::pin(sleep_until(Instant::now() + pause));
            let waits = pausing.as_mut().poll(context).is_pending();
            self.pausing = Some(pausing);
            if waits {
                return Poll::Pending;
            }
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (span, at) = (Arc::clone(&self.span), self.at);
            spawn_blocking(move || {
                let mut piece = vec![0; bytes as usize];
                span.read(at, &mut piece)?;
                Ok(piece)
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        (self.reading, self.pausing) = (None, None);
        let stopped = |_| StoreError::Unavailable {
            what: "reading for a copy".to_owned(),
            cause: "the server is stopping".into(),
        };
        Poll::Ready(Some(read.map_err(stopped).flatten().map(|piece| {
            self.at += bytes;
            self.sent.fetch_add(bytes, Ordering::Relaxed);
            Frame::data(piece.into())
        })))
    }
}
