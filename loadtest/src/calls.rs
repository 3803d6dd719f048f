//! Many REST calls over a few keep-alive connections of one thread, one call at a time on each.
//!
//! In: a [`Source`] that writes the next request and takes the answers. Out: nothing else. A
//! broken connection fails its call and is opened again; a call that takes too long fails. When a
//! server cannot be reached at all, it ends instead of trying for ever.

use crate::clock::{Clock, nanos};
use crate::http::{self, Address};
use crate::stream::Stream;
use crate::sys::{Epoll, Interest};
use anyhow::{Context, bail};
use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// Failures in a row, over all connections, after which the server counts as gone.
const FAILURES_IN_A_ROW_MAX: u32 = 100;

/// Gives requests and takes answers.
pub(crate) trait Source {
    /// Writes the next request and returns what to call it, or `None` when there is none now.
    fn next(&mut self, out: &mut Vec<u8>) -> Option<usize>;
    /// Takes the answer to call `id`.
    fn answered(&mut self, id: usize, status: u16, body: &[u8], took_ns: u64);
    /// Call `id` got no answer.
    fn failed(&mut self, id: usize, why: &str);
}

/// One connection and the call in progress on it.
struct Lane {
    stream: Option<Stream>,
    call: Option<(usize, u64)>,
    request: Vec<u8>,
    written: usize,
    received: Vec<u8>,
}

impl Lane {
    /// Whether something waits for the socket to take it.
    fn has_output(&self) -> bool {
        self.written < self.request.len() || self.stream.as_ref().is_some_and(Stream::owes)
    }
}

/// The connections of one thread.
pub(crate) struct Calls {
    epoll: Epoll,
    lanes: Vec<Lane>,
    address: Address,
    clock: Clock,
    timeout: Duration,
    buffer: Box<[u8]>,
    failures_in_a_row: u32,
}

impl Calls {
    /// Up to `connections` connections, opened when first needed.
    pub(crate) fn new(
        address: Address,
        connections: usize,
        timeout: Duration,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let lane = || Lane {
            stream: None,
            call: None,
            request: Vec::new(),
            written: 0,
            received: Vec::new(),
        };
        Ok(Self {
            epoll: Epoll::new(256).context("cannot create an epoll instance")?,
            lanes: (0..connections.max(1)).map(|_| lane()).collect(),
            address,
            clock,
            timeout,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            failures_in_a_row: 0,
        })
    }

    /// Runs until `source` has no more requests and all calls are over.
    pub(crate) fn run(&mut self, source: &mut impl Source) -> anyhow::Result<()> {
        loop {
            let mut asked = false;
            for lane in 0..self.lanes.len() {
                asked |= self.start(lane, source)?;
            }
            // A request that could not even be begun has failed, and may be offered again.
            if asked && self.lanes.iter().all(|lane| lane.call.is_none()) {
                continue;
            }
            if self.lanes.iter().all(|lane| lane.call.is_none()) {
                return Ok(());
            }
            let count = self.epoll.wait(Duration::from_millis(100)).context("epoll failed")?;
            for index in 0..count {
                let Some(ready) = self.epoll.ready(index) else { break };
                if let Err(why) = self.advance(ready.token, source) {
                    self.fail(ready.token, &why, source)?;
                }
            }
            if count == 0 {
                self.expire(source)?;
            }
        }
    }

    /// Begins the next call on an idle lane; whether there was one to begin.
    fn start(&mut self, index: usize, source: &mut impl Source) -> anyhow::Result<bool> {
        let lane = &mut self.lanes[index];
        if lane.call.is_some() {
            return Ok(false);
        }
        lane.request.clear();
        lane.written = 0;
        let Some(id) = source.next(&mut lane.request) else { return Ok(false) };
        lane.call = Some((id, self.clock.now_ns()));
        if lane.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address.socket, self.timeout);
            let stream = stream.and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                self.epoll.add(&stream, index, Interest::Read)?;
                Stream::new(stream, self.address.tls.as_ref())
            });
            match stream {
                Ok(stream) => lane.stream = Some(stream),
                Err(error) => {
                    self.fail(index, &error.to_string(), source)?;
                    return Ok(true);
                }
            }
        }
        if let Err(error) = self.write(index) {
            self.fail(index, &error.to_string(), source)?;
        }
        Ok(true)
    }

    fn write(&mut self, index: usize) -> io::Result<()> {
        let lane = &mut self.lanes[index];
        let Some(stream) = &mut lane.stream else { return Ok(()) };
        while lane.written < lane.request.len() {
            match stream.write(&lane.request[lane.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => lane.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.epoll.modify(stream.socket(), index, Interest::ReadWrite);
                }
                Err(error) => return Err(error),
            }
        }
        match stream.flush()? {
            true => Ok(()),
            false => self.epoll.modify(stream.socket(), index, Interest::ReadWrite),
        }
    }

    /// Reads what is there, and ends the call when its answer is whole.
    fn advance(&mut self, index: usize, source: &mut impl Source) -> Result<(), String> {
        if self.lanes[index].has_output() {
            self.write(index).map_err(|error| error.to_string())?;
            if !self.lanes[index].has_output()
                && let Some(stream) = &self.lanes[index].stream
            {
                let changed = self.epoll.modify(stream.socket(), index, Interest::Read);
                changed.map_err(|error| error.to_string())?;
            }
        }
        let lane = &mut self.lanes[index];
        let Some(stream) = &mut lane.stream else { return Ok(()) };
        loop {
            match stream.read(&mut self.buffer) {
                Ok(0) => return Err("connection closed by the server".to_owned()),
                Ok(count) => {
                    lane.received.extend_from_slice(&self.buffer[..count]);
                    // What TLS has taken from the socket is not reported again.
                    if count < self.buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        if stream.owes() {
            let changed = self.epoll.modify(stream.socket(), index, Interest::ReadWrite);
            changed.map_err(|error| error.to_string())?;
        }
        let Some(answer) = http::take_answer(&lane.received)? else { return Ok(()) };
        let Some((id, begun_ns)) = lane.call.take() else {
            return Err("an answer that nobody asked for".to_owned());
        };
        self.failures_in_a_row = 0;
        let took_ns = self.clock.now_ns().saturating_sub(begun_ns);
        source.answered(id, answer.status, &answer.body, took_ns);
        let (taken, keeps) = (answer.taken, answer.keeps);
        lane.received.drain(..taken);
        if !keeps {
            lane.stream = None;
            lane.received.clear();
        }
        Ok(())
    }

    fn expire(&mut self, source: &mut impl Source) -> anyhow::Result<()> {
        let now_ns = self.clock.now_ns();
        for index in 0..self.lanes.len() {
            let begun = self.lanes[index].call.map(|(_, begun_ns)| begun_ns);
            if begun.is_some_and(|begun| now_ns.saturating_sub(begun) > nanos(self.timeout)) {
                self.fail(index, "timed out", source)?;
            }
        }
        Ok(())
    }

    fn fail(&mut self, index: usize, why: &str, source: &mut impl Source) -> anyhow::Result<()> {
        let lane = &mut self.lanes[index];
        lane.stream = None;
        lane.received.clear();
        let Some((id, _)) = lane.call.take() else { return Ok(()) };
        source.failed(id, why);
        self.failures_in_a_row += 1;
        if self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
            bail!("REST at {}: {why}, again and again", self.address.host);
        }
        Ok(())
    }
}
