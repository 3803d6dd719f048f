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

use crate::doors::Seat;
use crate::driver::Core;
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
    core: Rc<Core>,
    pub(super) seat: Rc<Seat>,
    stage: Cell<Stage>,
    /// When the client must have sent more.
    until: Cell<Instant>,
}

impl Progress {
    pub(super) fn new(core: &Rc<Core>) -> Rc<Self> {
        let seat = Rc::new(Seat::default());
        seat.waits(core.doors.requests());
        let until = Cell::new(Instant::now() + core.settings.head_time);
        Rc::new(Self { core: Rc::clone(core), seat, stage: Cell::new(Stage::Idle), until })
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The head is whole; the body comes.
    pub(super) fn head_read(&self) {
        self.stage.set(Stage::Body);
        self.seat.moves();
        self.seat.waits(self.core.doors.requests());
    }

    /// The request is whole.
    pub(super) fn body_read(&self) {
        self.stage.set(Stage::Work);
        self.seat.moves();
    }

    /// The answer is written, or on its way.
    pub(super) fn answered(&self) {
        self.stage.set(Stage::Idle);
        self.until.set(Instant::now() + self.core.settings.keep_alive);
    }

    /// Whether the client is to send a request.
    fn wants_request(&self) -> bool {
        matches!(self.stage.get(), Stage::Idle | Stage::Head)
    }

    /// The socket gave something.
    fn sent(&self) {
        if self.stage.get() == Stage::Idle {
            self.stage.set(Stage::Head);
            self.until.set(Instant::now() + self.core.settings.head_time);
        }
    }

    /// The socket took something.
    fn took(&self) {
        if self.seat.waits_in(self.core.doors.answers()) {
            self.seat.moves();
            if self.wants_request() {
                self.seat.waits(self.core.doors.requests());
            }
        }
    }

    /// The socket takes nothing now.
    fn does_not_take(&self) {
        self.seat.waits(self.core.doors.answers());
    }

    /// The socket has nothing now.
    fn does_not_send(&self) {
        if !self.seat.waits_in(self.core.doors.answers()) {
            self.seat.waits(self.core.doors.requests());
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

    /// Passes a write's outcome on; a wait that lasts too long becomes an error.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.deadline = None;
            self.progress.took();
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
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.owed_bytes() == 0 {
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
