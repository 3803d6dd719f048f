//! A REST connection's socket, on which its client must make progress.
//!
//! A new connection has `limits.headSeconds` to send a request's head; one that was used has
//! `limits.keepAliveSeconds` to begin the next, and then the same time for its head. An answer of which the
//! client takes nothing for `limits.writeStallSeconds` ends the connection, as it would a link. While the
//! client is waited for, the connection makes room for newcomers ([`Seat`]).

use std::cell::Cell;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::doors::{Doors, Queue, Seat};
use crate::socket::Socket;

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The next request has not begun.
    Idle,
    /// A head is arriving.
    Head,
    /// A body is arriving; its reader has the clock.
    Body,
    /// The request is whole: the server works, or its answer is being taken.
    Work,
}

/// How far a connection is, for its socket and for whoever answers.
pub(super) struct Progress {
    pub(super) seat: Rc<Seat>,
    /// Where it waits for its client to ask, and to take an answer.
    requests: Rc<Queue>,
    answers: Rc<Queue>,
    head_time: Duration,
    keep_alive: Duration,
    stage: Cell<Stage>,
    /// When the client must have sent more.
    until: Cell<Instant>,
}

impl Progress {
    pub(super) fn new(doors: &Doors, head_time: Duration, keep_alive: Duration) -> Rc<Self> {
        let seat = Rc::new(Seat::default());
        seat.waits(doors.requests());
        Rc::new(Self {
            seat,
            requests: Rc::clone(doors.requests()),
            answers: Rc::clone(doors.answers()),
            head_time,
            keep_alive,
            stage: Cell::new(Stage::Idle),
            until: Cell::new(Instant::now() + head_time),
        })
    }

    /// The head is whole; the body comes.
    pub(super) fn head_read(&self) {
        self.stage.set(Stage::Body);
        self.seat.moves();
        self.seat.waits(&self.requests);
    }

    /// The request is whole.
    pub(super) fn body_read(&self) {
        self.stage.set(Stage::Work);
        self.seat.moves();
    }

    /// The answer is written, or on its way.
    pub(super) fn answered(&self) {
        self.stage.set(Stage::Idle);
        self.until.set(Instant::now() + self.keep_alive);
    }

    /// Whether the client is to send a request.
    fn wants_request(&self) -> bool {
        matches!(self.stage.get(), Stage::Idle | Stage::Head)
    }

    /// The socket gave something.
    fn sent(&self) {
        if self.stage.get() == Stage::Idle {
            self.stage.set(Stage::Head);
            self.until.set(Instant::now() + self.head_time);
        }
    }

    /// The socket took something.
    fn took(&self) {
        if self.seat.waits_in(&self.answers) {
            self.seat.moves();
            if self.wants_request() {
                self.seat.waits(&self.requests);
            }
        }
    }

    /// The socket takes nothing now.
    fn does_not_take(&self) {
        self.seat.waits(&self.answers);
    }

    /// The socket has nothing now.
    fn does_not_send(&self) {
        if !self.seat.waits_in(&self.answers) {
            self.seat.waits(&self.requests);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.seat.moves();
    }
}

/// See the module.
pub(super) struct Stalling {
    stream: Socket,
    progress: Rc<Progress>,
    patience: Duration,
    /// Runs while a request is waited for.
    silence: Pin<Box<Sleep>>,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stalling {
    pub(super) fn new(stream: Socket, progress: &Rc<Progress>, patience: Duration) -> Self {
        let silence = Box::pin(sleep_until(progress.until.get()));
        Self { stream, progress: Rc::clone(progress), patience, silence, deadline: None }
    }

    /// Does something that may have to wait for the client to take what was written; a wait in which it takes nothing for
    /// too long becomes an error.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut Socket>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let owed = self.stream.owed_bytes();
        let outcome = act(Pin::new(&mut self.stream), cx);
        // It waits until all that TLS owes is taken; a part of it is progress, too.
        if outcome.is_ready() || self.stream.owed_bytes() < owed {
            self.deadline = None;
            self.progress.took();
        }
        if outcome.is_ready() {
            return outcome;
        }
        self.progress.does_not_take();
        let patience = self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        if outcome.is_ready() {
            this.progress.sent();
            return outcome;
        }
        if this.progress.wants_request() {
            this.progress.does_not_send();
            if this.silence.deadline() != this.progress.until.get() {
                this.silence.as_mut().reset(this.progress.until.get());
            }
            ready!(this.silence.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.owed_bytes() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.watch(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::doors::{Addresses, Permits};
    use crate::socket::tests::{fill, some_is_read, with_a_pair};

    const LONG: Duration = Duration::from_secs(3600);

    fn stalling(stream: Socket, patience: Duration) -> Stalling {
        let doors = Doors::new(Permits::new(1, 1), Addresses::new(0, 0), Addresses::new(0, 0));
        Stalling::new(stream, &Progress::new(&doors, LONG, LONG), patience)
    }

    /// With TLS the end is said, and so it may have to wait as well.
    #[test]
    fn an_end_that_is_not_taken_is_not_waited_for_for_ever() {
        with_a_pair(async |mut socket, peer| {
            fill(&mut socket).await;
            let mut stream = stalling(socket, Duration::from_millis(100));
            let ended = stream.shutdown().await;
            assert_eq!(ended.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
            drop(peer);
        });
    }

    #[test]
    fn who_takes_a_part_of_a_record_gets_time_for_the_next() {
        with_a_pair(async |mut socket, mut peer| {
            fill(&mut socket).await;
            let mut stream = stalling(socket, LONG);
            let mut waits_until = None;
            loop {
                let owed = stream.stream.owed_bytes();
                let flushed = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_flush(cx))).await;
                if let Poll::Ready(flushed) = flushed {
                    flushed.unwrap();
                    waits_until = None;
                    stream.stream.offer(&[7; 16 * 1024]).unwrap();
                    continue;
                }
                let until = stream.deadline.as_ref().map(|deadline| deadline.deadline());
                let before = waits_until.replace(until);
                if let Some(before) = before {
                    match stream.stream.owed_bytes() < owed {
                        true => return assert!(until > before),
                        false => assert_eq!(until, before),
                    }
                }
                some_is_read(&stream.stream, &mut peer).await;
            }
        });
    }
}
