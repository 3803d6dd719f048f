//! The task of one link: reads frames, offers requests, writes what the socket takes.
//!
//! It is small: the link's state lies in the shard's tables, the bytes it reads in the shard's one
//! buffer. It ends when its entry in the table is gone.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use openim_protocol::frame::{self, Event, FrameError, Step};
use openim_shard::{CloseReason, LinkId, Now};
use tokio::io::{AsyncRead as _, ReadBuf};

use crate::driver::{Core, LinkIo};
use crate::ops::{self, Next};

/// Reads of one link in one poll, so that a busy one does not starve the others.
const READS_PER_POLL: usize = 4;

/// See the module.
pub(crate) struct LinkTask {
    core: Rc<Core>,
    id: LinkId,
}

/// What is left of what was read: the beginning of a frame, at the front of the buffer.
#[derive(Clone, Copy)]
struct Rest {
    have: usize,
    /// Bytes that the frame needs, as far as is known.
    wanted: usize,
}

/// How a step of the link came out.
enum Flow {
    /// Go on reading.
    On,
    /// Read no more until woken.
    Wait,
    /// The link is over.
    Over,
}

impl LinkTask {
    pub(crate) fn new(core: Rc<Core>, id: LinkId) -> Self {
        Self { core, id }
    }
}

impl Future for LinkTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let core = &self.core;
        core.poll_counted();
        let now = core.now();
        let flow = self.step(now, cx);
        core.io.borrow_mut().sum_input(self.id, now.mono_ms);
        core.end_turn(now);
        if matches!(flow, Flow::Over) || core.io.borrow_mut().link(self.id).is_none() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl LinkTask {
    fn step(&self, now: Now, cx: &mut Context<'_>) -> Flow {
        {
            let mut io = self.core.io.borrow_mut();
            let Some(link) = io.link(self.id) else { return Flow::Over };
            if link.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                link.waker = Some(cx.waker().clone());
            }
        }
        if let Flow::Over = self.write(now, cx) {
            return Flow::Over;
        }
        if !self.work(cx) {
            return Flow::Wait;
        }
        let mut buffer = self.core.read_buffer.take();
        let flow = self.read(&mut buffer, now, cx);
        self.core.read_buffer.set(buffer);
        flow
    }

    /// Goes on with what waits for the socket.
    fn write(&self, now: Now, cx: &mut Context<'_>) -> Flow {
        loop {
            {
                let mut io = self.core.io.borrow_mut();
                let Some(link) = io.link(self.id) else { return Flow::Over };
                if link.waiting() == 0 {
                    return Flow::On;
                }
                match link.stream.poll_write_ready(cx) {
                    Poll::Pending => return Flow::Wait,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => {
                        drop(io);
                        return self.over();
                    }
                }
            }
            self.core.flush_link(self.id, now);
            if self.core.io.borrow().lost.contains(&self.id) {
                return self.over();
            }
        }
    }

    /// Goes on with the work of a request; whether other requests may follow.
    fn work(&self, cx: &mut Context<'_>) -> bool {
        let Some(mut work) = self.core.io.borrow_mut().link(self.id).and_then(LinkIo::take_work)
        else {
            return true;
        };
        // Not borrowed here: the work is done on the tables themselves.
        let done = work.as_mut().poll(cx).is_ready();
        if done {
            self.core.shard.borrow_mut().unread(self.id, false, self.core.now());
        }
        if !done && let Some(link) = self.core.io.borrow_mut().link(self.id) {
            link.set_work(work);
        }
        done
    }

    fn read(&self, buffer: &mut [u8], now: Now, cx: &mut Context<'_>) -> Flow {
        if let Some(flow) = self.parked(now) {
            return flow;
        }
        // Bytes behind a held request come before anything new.
        let mut rest = Rest { have: self.take_carry(buffer), wanted: 0 };
        if rest.have > 0 {
            match self.frames(buffer, rest.have, now) {
                Ok(left) => rest = left,
                Err(flow) => return flow,
            }
        }
        for _ in 0..READS_PER_POLL {
            let Some(read_max) = self.leave_to_read(rest, buffer, now) else { return Flow::Wait };
            let polled = {
                let mut io = self.core.io.borrow_mut();
                let Some(link) = io.link(self.id) else { return Flow::Over };
                let end = buffer.len().min(rest.have.saturating_add(read_max));
                let mut target = ReadBuf::new(&mut buffer[rest.have..end]);
                match Pin::new(&mut link.stream).poll_read(cx, &mut target) {
                    Poll::Pending => {
                        link.keep(&buffer[..rest.have], rest.wanted);
                        return Flow::Wait;
                    }
                    Poll::Ready(result) => result.map(|()| target.filled().len()),
                }
            };
            match polled {
                Ok(0) | Err(_) => return self.over(),
                Ok(read) => {
                    self.core.metrics.bytes_in.add(read as u64);
                    self.core.shard.borrow_mut().heard(self.id, now);
                    match self.frames(buffer, rest.have + read, now) {
                        Ok(left) => rest = left,
                        Err(flow) => return flow,
                    }
                }
            }
            // What it had leave for is read; the sum is brought up to date before it reads on.
            if read_max != usize::MAX {
                break;
            }
        }
        // More may be there: let the others have their turn first.
        if let Some(link) = self.core.io.borrow_mut().link(self.id) {
            link.keep(&buffer[..rest.have], rest.wanted);
        }
        cx.waker().wake_by_ref();
        Flow::On
    }

    /// How much may be read now. `None`: the link waits until there is room for what it sends; what it has
    /// is put aside.
    fn leave_to_read(&self, rest: Rest, buffer: &[u8], now: Now) -> Option<usize> {
        let mut io = self.core.io.borrow_mut();
        let (read_max, waited) = io.may_read(self.id, rest.have);
        if read_max.is_none()
            && let Some(link) = io.link(self.id)
        {
            link.keep(&buffer[..rest.have], rest.wanted);
        }
        if waited || read_max.is_none() {
            // Its silence says nothing meanwhile.
            self.core.shard.borrow_mut().unread(self.id, read_max.is_none(), now);
        }
        read_max
    }

    /// Offers a held request again. `None`: nothing is in the way of reading.
    fn parked(&self, now: Now) -> Option<Flow> {
        let parked = {
            let mut io = self.core.io.borrow_mut();
            let Some(link) = io.link(self.id) else { return Some(Flow::Over) };
            if link.held {
                return Some(Flow::Wait);
            }
            link.take_parked()?
        };
        match ops::request(&self.core, self.id, &parked.request, parked.counted, now) {
            Next::Done => None,
            next => {
                self.settle(next, parked.request, now);
                Some(Flow::Wait)
            }
        }
    }

    fn take_carry(&self, buffer: &mut [u8]) -> usize {
        let mut io = self.core.io.borrow_mut();
        let Some(link) = io.link(self.id) else { return 0 };
        let kept = link.take_kept();
        let have = kept.len().min(buffer.len());
        buffer[..have].copy_from_slice(&kept[..have]);
        have
    }

    /// Handles the frames in `buffer[..have]`. `Ok`: a partial frame was moved to the front. `Err`: the link
    /// stops here; what is left was put aside.
    fn frames(&self, buffer: &mut [u8], have: usize, now: Now) -> Result<Rest, Flow> {
        let (mut at, mut needs) = (0, 0);
        loop {
            let mut whole = false;
            let mut reader = {
                let mut io = self.core.io.borrow_mut();
                let Some(link) = io.link(self.id) else { return Err(Flow::Over) };
                std::mem::replace(&mut link.reader, idle_reader())
            };
            let (consumed, next) = match reader.next(&mut buffer[at..have]) {
                Ok(Step::More { wanted }) => {
                    needs = wanted;
                    (None, Ok(Next::Done))
                }
                Ok(Step::Progress { consumed }) => (Some(consumed), Ok(self.no_request(now))),
                Ok(Step::Event { event, consumed }) => {
                    whole = true;
                    (Some(consumed), Ok(self.event(event, now)))
                }
                Err(error) => (None, Err(error)),
            };
            let mut io = self.core.io.borrow_mut();
            let Some(link) = io.link(self.id) else { return Err(Flow::Over) };
            link.reader = reader;
            if whole {
                link.read_whole();
            }
            match (consumed, next) {
                (_, Err(error)) => {
                    drop(io);
                    return Err(self.fault(&error));
                }
                (None, Ok(_)) => {
                    buffer.copy_within(at..have, 0);
                    return Ok(Rest { have: have - at, wanted: needs });
                }
                (Some(consumed), Ok(Next::Done)) => at += consumed,
                (Some(consumed), Ok(next)) => {
                    at += consumed;
                    link.keep(&buffer[at..have], 0);
                    drop(io);
                    return Err(match next {
                        Next::Over => Flow::Over,
                        _ => Flow::Wait,
                    });
                }
            }
        }
    }

    fn event(&self, event: Event<'_>, now: Now) -> Next {
        self.core.metrics.frames_in.add(1);
        match event {
            Event::Message { payload, .. } => {
                match ops::request(&self.core, self.id, payload, false, now) {
                    Next::Done => Next::Done,
                    next => {
                        self.settle(next, payload.into(), now);
                        next
                    }
                }
            }
            Event::Ping(payload) => {
                self.core.io.borrow_mut().frame(self.id, |out| frame::write_pong(out, payload));
                self.no_request(now)
            }
            Event::Pong(_) => self.no_request(now),
            Event::Close { code, .. } => {
                self.core.metrics.links_closed.of(CloseReason::Peer).add(1);
                self.core.trace_close(self.id, CloseReason::Peer.name());
                let mut io = self.core.io.borrow_mut();
                io.frame(self.id, |out| frame::write_close_echo(out, code));
                drop(io);
                self.core.drop_link(self.id);
                Next::Over
            }
        }
    }

    /// A control frame, or a part of a message.
    fn no_request(&self, now: Now) -> Next {
        match self.counted(now) {
            Next::Rest { ms } => {
                self.settle(Next::Rest { ms }, Box::default(), now);
                Next::Rest { ms }
            }
            next => next,
        }
    }

    /// What is no request counts against the rate as well: a flood of pings is no cheaper.
    fn counted(&self, now: Now) -> Next {
        match self.core.shard.borrow_mut().frame_allowed(self.id, now) {
            Ok(()) => Next::Done,
            Err(ms) => {
                self.core.metrics.rate_limited.add(1);
                Next::Rest { ms }
            }
        }
    }

    /// Puts a request that was not taken aside, or starts what it asked for.
    fn settle(&self, next: Next, payload: Box<[u8]>, now: Now) {
        let mut io = self.core.io.borrow_mut();
        if let Next::Pause { ms } | Next::Wait { ms } | Next::Rest { ms } = next {
            if io.paused.peek().is_none_or(|first| first.0.0 > now.mono_ms + u64::from(ms)) {
                self.core.wheel.sooner();
            }
            io.paused.push(std::cmp::Reverse((now.mono_ms + u64::from(ms), self.id)));
        }
        let Some(link) = io.link(self.id) else { return };
        match next {
            Next::Pause { .. } => link.park(payload, false),
            Next::Hold | Next::Wait { .. } => link.park(payload, true),
            Next::Rest { .. } => link.held = true,
            Next::Working => {
                if let Some(waker) = &link.waker {
                    waker.wake_by_ref();
                }
            }
            Next::Done | Next::Over => {}
        }
    }

    fn fault(&self, error: &FrameError) -> Flow {
        self.core.close(self.id, error.reason());
        Flow::Over
    }

    /// The peer is gone.
    fn over(&self) -> Flow {
        self.core.lose(self.id);
        Flow::Over
    }
}

/// Takes the reader's place while it is in use; costs nothing.
const fn idle_reader() -> frame::Reader {
    frame::Reader::new(frame::Side::Server, 0)
}
