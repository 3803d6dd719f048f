//! One non-blocking websocket link: connecting, upgrading, open, gone.
//!
//! In: readiness from the fleet's epoll and payloads to send. Out: whole message payloads and the
//! reason of the end. Answers pings and close frames by itself. An idle link keeps no buffer, so
//! that hundreds of thousands of them are cheap for the client too.

use crate::fleet::Route;
use crate::stream::Stream;
use crate::wire::{self, Masks, Opcode, WireError};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

/// Why a link ended or never came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No connection.
    Connect(io::ErrorKind),
    /// The upgrade was answered with this HTTP status.
    Refused(u16),
    /// Connect or upgrade took too long.
    TimedOut,
    /// The server closed with this code and reason.
    Closed(u16, String),
    /// The stream ended without a close frame.
    Ended,
    /// Reading or writing failed.
    Broken(io::ErrorKind),
    /// TLS did.
    Tls(String),
    /// The server broke the websocket protocol.
    Protocol(&'static str),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Connect(kind) => write!(f, "cannot connect: {kind}"),
            Loss::Refused(status) => write!(f, "upgrade refused with HTTP {status}"),
            Loss::TimedOut => f.write_str("timed out"),
            Loss::Closed(code, reason) if reason.is_empty() => write!(f, "closed with {code}"),
            Loss::Closed(code, reason) => write!(f, "closed with {code} ({reason})"),
            Loss::Ended => f.write_str("stream ended"),
            Loss::Broken(kind) => write!(f, "connection broken: {kind}"),
            Loss::Tls(what) => write!(f, "TLS: {what}"),
            Loss::Protocol(what) => write!(f, "protocol error: {what}"),
        }
    }
}

impl From<io::Error> for Loss {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Loss::Tls(error.to_string()),
            None => Loss::Broken(error.kind()),
        }
    }
}

impl From<WireError> for Loss {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Refused(status) => Loss::Refused(status),
            WireError::Protocol(what) => Loss::Protocol(what),
        }
    }
}

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not started, or over.
    Down,
    /// TCP connect in progress.
    Connecting,
    /// Request sent, answer awaited.
    Upgrading,
    /// Frames may flow.
    Open,
}

/// What a read produced besides messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing that the fleet needs to know.
    Same,
    /// The upgrade was accepted during this read.
    Opened,
}

/// Socket, stage and the bytes not yet taken by the other side.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Option<Stream>,
    stage: Stage,
    /// Whether epoll watches for room to write.
    pub(crate) write_watched: bool,
    /// Whether the link stands in the fleet's list of links with output.
    pub(crate) listed: bool,
    /// When the connect was begun, or was meant to be.
    pub(crate) begun_ns: u64,
    /// Which attempt this is, so that a deadline of an earlier one is harmless.
    pub(crate) attempt: u32,
    received: Vec<u8>,
    fragments: Vec<u8>,
    output: Vec<u8>,
    written: usize,
}

impl Link {
    /// A link that is not started.
    pub(crate) fn down() -> Self {
        Self {
            stream: None,
            stage: Stage::Down,
            write_watched: false,
            listed: false,
            begun_ns: 0,
            attempt: 0,
            received: Vec::new(),
            fragments: Vec::new(),
            output: Vec::new(),
            written: 0,
        }
    }

    /// How far the link has come.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The socket, for epoll.
    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref().map(Stream::socket)
    }

    /// Whether something waits for the socket to take it.
    pub(crate) fn has_output(&self) -> bool {
        self.pending_bytes() > 0 || self.stream.as_ref().is_some_and(Stream::owes)
    }

    /// Whether TLS was taken up again by a ticket.
    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_resumed)
    }

    /// Bytes not yet written to the socket.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.output.len() - self.written
    }

    /// Starts to connect, from `source` if given; the request goes out once connected.
    pub(crate) fn connect(
        &mut self,
        route: &Route,
        source: Option<IpAddr>,
        begun_ns: u64,
    ) -> Result<(), Loss> {
        self.drop_stream();
        let stream = open_socket(route.server, source)
            .and_then(|socket| Stream::new(socket, route.tls.as_ref()))
            .map_err(|error| Loss::Connect(error.kind()))?;
        self.stream = Some(stream);
        self.stage = Stage::Connecting;
        self.begun_ns = begun_ns;
        self.attempt = self.attempt.wrapping_add(1);
        Ok(())
    }

    /// Ends a connect in progress and queues the upgrade request; `false` while it goes on.
    pub(crate) fn connected(&mut self, request: impl FnOnce(&mut Vec<u8>)) -> Result<bool, Loss> {
        let Some(stream) = self.stream() else { return Ok(false) };
        let failure = stream.take_error().and_then(|error| error.map_or(Ok(()), Err));
        failure.map_err(|error| Loss::Connect(error.kind()))?;
        match stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(Loss::Connect(error.kind())),
        }
        self.stage = Stage::Upgrading;
        request(&mut self.output);
        Ok(true)
    }

    /// Queues one message; it leaves with the next [`Link::flush`].
    pub(crate) fn send(&mut self, payload: &[u8], masks: &mut Masks) {
        wire::put_frame(&mut self.output, Opcode::Text, payload, masks);
    }

    /// Writes what is queued; `true` when all of it is gone.
    pub(crate) fn flush(&mut self) -> Result<bool, Loss> {
        let Some(stream) = &mut self.stream else { return Ok(true) };
        while self.written < self.output.len() {
            match stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(Loss::Ended),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        if !stream.flush()? {
            return Ok(false);
        }
        self.written = 0;
        if self.output.capacity() > 4096 && self.output.len() * 8 < self.output.capacity() {
            self.output = Vec::new();
        } else {
            self.output.clear();
        }
        Ok(true)
    }

    /// Reads what is there and hands every whole message to `on_message`.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        masks: &mut Masks,
        mut on_message: impl FnMut(&[u8]),
    ) -> Result<Progress, Loss> {
        let mut progress = Progress::Same;
        loop {
            let Some(stream) = &mut self.stream else { return Ok(progress) };
            let count = match stream.read(buffer) {
                Ok(0) => return Err(Loss::Ended),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(progress),
                Err(error) => return Err(error.into()),
            };
            if self.take(&buffer[..count], masks, &mut on_message)? == Progress::Opened {
                progress = Progress::Opened;
            }
            // A short read emptied the socket; level-triggered epoll reports what comes later.
            if count < buffer.len() {
                return Ok(progress);
            }
        }
    }

    fn take(
        &mut self,
        fresh: &[u8],
        masks: &mut Masks,
        on_message: &mut impl FnMut(&[u8]),
    ) -> Result<Progress, Loss> {
        let mut kept = std::mem::take(&mut self.received);
        let bytes: &[u8] = if kept.is_empty() {
            fresh
        } else {
            kept.extend_from_slice(fresh);
            &kept
        };
        let mut progress = Progress::Same;
        let mut at = 0;
        if self.stage == Stage::Upgrading
            && let Some(head) = wire::upgrade_answer(bytes)?
        {
            at = head;
            self.stage = Stage::Open;
            progress = Progress::Opened;
        }
        if self.stage == Stage::Open {
            while let Some(frame) = wire::take_frame(&bytes[at..])? {
                self.frame(&frame, masks, on_message)?;
                at += frame.taken;
            }
        }
        if kept.is_empty() {
            self.received.extend_from_slice(&fresh[at..]);
        } else {
            kept.drain(..at);
            if !kept.is_empty() {
                self.received = kept;
            }
        }
        Ok(progress)
    }

    fn frame(
        &mut self,
        frame: &wire::Frame<'_>,
        masks: &mut Masks,
        on_message: &mut impl FnMut(&[u8]),
    ) -> Result<(), Loss> {
        match frame.opcode {
            Opcode::Text | Opcode::Binary if frame.last && self.fragments.is_empty() => {
                on_message(frame.payload);
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let whole = self.fragments.len() as u64 + frame.payload.len() as u64;
                if whole > wire::FRAME_BYTES_MAX {
                    return Err(Loss::Protocol("message longer than this tool accepts"));
                }
                self.fragments.extend_from_slice(frame.payload);
                if frame.last {
                    on_message(&std::mem::take(&mut self.fragments));
                }
            }
            Opcode::Ping => {
                wire::put_frame(&mut self.output, Opcode::Pong, frame.payload, masks);
            }
            Opcode::Pong => {}
            Opcode::Close => {
                let (code, reason) = wire::close_code(frame.payload);
                return Err(Loss::Closed(code, reason));
            }
        }
        Ok(())
    }

    /// Closes the socket and forgets what was buffered.
    pub(crate) fn drop_stream(&mut self) {
        self.stream = None;
        self.stage = Stage::Down;
        self.write_watched = false;
        self.received = Vec::new();
        self.fragments = Vec::new();
        self.output = Vec::new();
        self.written = 0;
    }
}

fn open_socket(server: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(address) = source {
        crate::sys::bind_address_without_port(&socket)?;
        socket.bind(&SocketAddr::new(address, 0).into())?;
    }
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}
