//! A connection with TLS: rustls has the protocol, this the bytes between it and the system.
//!
//! What the system does not take of what was encrypted is kept here and is no more than a record, as nothing more is
//! encrypted before it is gone; so who writes feels a peer that does not read as without TLS.

use std::future::poll_fn;
use std::io::{self, BufRead as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::{AlertDescription, Error, HandshakeKind, ServerConnection};
use tokio::io::{AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::{Taken, give};

/// What is encrypted at once: a record holds no more.
const RECORD_BYTES: usize = 16 * 1024;
/// How the first record of a peer that speaks TLS begins.
const HANDSHAKE_RECORD: u8 = 22;

/// See the module.
pub(crate) struct Tls {
    stream: TcpStream,
    state: State,
    /// See [`super::Socket::mark_owed`].
    pub(super) owed_mark: u64,
}

/// All but the socket.
struct State {
    connection: ServerConnection,
    /// Encrypted, and not taken by the system.
    owed: Vec<u8>,
    /// How much of it was taken.
    paid: usize,
}

/// How a handshake came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// With a signature of the certificate's key.
    Anew,
    /// By a ticket of an earlier one.
    Resumed,
}

/// Why there is no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The peer began without TLS.
    Plain,
    /// It knows no version, cipher or name of a protocol that is spoken here.
    NothingInCommon,
    /// It said that it does not want to go on, most often as it does not trust the certificate.
    Refused,
    /// What it sent is no TLS, or not as it has to be.
    Malformed,
    /// It went away.
    Gone,
}

/// On its way to another thread.
pub(crate) struct Moving {
    stream: std::net::TcpStream,
    state: State,
}

impl Moving {
    pub(super) fn arrive(self) -> io::Result<Tls> {
        Ok(Tls { stream: TcpStream::from_std(self.stream)?, state: self.state, owed_mark: 0 })
    }
}

impl Tls {
    pub(super) fn new(stream: TcpStream, connection: ServerConnection) -> Self {
        Self { stream, state: State { connection, owed: Vec::new(), paid: 0 }, owed_mark: 0 }
    }

    pub(super) fn leave(self) -> io::Result<Moving> {
        Ok(Moving { stream: self.stream.into_std()?, state: self.state })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    // --- handshake ------------------------------------------------------------------------------

    pub(super) async fn greet(&mut self) -> Result<Greeted, Failed> {
        let mut first = [0];
        match self.stream.peek(&mut first).await {
            Ok(1) if first[0] == HANDSHAKE_RECORD => {}
            Ok(1) => return Err(if is_text(first[0]) { Failed::Plain } else { Failed::Malformed }),
            _ => return Err(Failed::Gone),
        }
        poll_fn(|cx| self.poll_greet(cx)).await?;
        Ok(match self.state.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => Greeted::Resumed,
            _ => Greeted::Anew,
        })
    }

    fn poll_greet(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        while self.state.connection.is_handshaking() {
            ready!(self.poll_paid(cx)).map_err(|_| Failed::Gone)?;
            match ready!(self.poll_input(cx)) {
                Ok(0) => return Poll::Ready(Err(Failed::Gone)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(why(&error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    // --- reading --------------------------------------------------------------------------------

    /// Takes records in that the system has; 0: there will be none any more.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.state.connection.read_tls(&mut In(&self.stream)) {
                Ok(0) => return Poll::Ready(Ok(0)),
                Ok(read) => {
                    let processed = self.state.connection.process_new_packets();
                    // Of an error, too: what the peer is told about it.
                    let said = self.state.hand_out(&self.stream);
                    processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                    said?;
                    return Poll::Ready(Ok(read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// As of a socket: nothing at the end of the stream, however it ended.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let mut reader = self.state.connection.reader();
            match reader.fill_buf() {
                Ok([]) => break,
                // Copied from where it lies, so that nobody has to fill `buf` before.
                Ok(plain) => {
                    let part = plain.len().min(buf.remaining());
                    buf.put_slice(&plain[..part]);
                    reader.consume(part);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if buf.filled().len() > before {
                        break;
                    }
                    ready!(self.poll_input(cx))?;
                }
                // Frames and requests say themselves whether they are whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    // --- writing --------------------------------------------------------------------------------

    pub(super) fn owed_bytes(&self) -> usize {
        self.state.owed.len() - self.state.paid
    }

    /// See [`super::Socket::offer`]. Of `bytes` a record at most, and only when nothing is owed.
    pub(super) fn offer(&mut self, bytes: &[u8]) -> io::Result<Taken> {
        let by_system = self.state.pay(&self.stream)?;
        if self.owed_bytes() > 0 || bytes.is_empty() {
            return Ok(Taken { offered: 0, by_system });
        }
        let part = &bytes[..bytes.len().min(RECORD_BYTES)];
        let offered = self.state.connection.writer().write(part)?;
        let by_system = by_system + self.state.hand_out(&self.stream)?;
        Ok(Taken { offered, by_system })
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_paid(cx))?;
        Poll::Ready(self.offer(bytes).map(|taken| taken.offered))
    }

    /// Until nothing is owed.
    pub(super) fn poll_paid(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.owed_bytes() > 0 {
            ready!(self.stream.poll_write_ready(cx))?;
            self.state.pay(&self.stream)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing follows, so that the peer can tell the end from a cut.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Said once, however often this is asked.
        self.state.connection.send_close_notify();
        self.state.hand_out(&self.stream)?;
        ready!(self.poll_paid(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl State {
    /// Gives the system what was encrypted, and keeps what it does not take; how much it took.
    fn hand_out(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut out = Out { stream, owed: &mut self.owed, taken: 0 };
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out)?;
        }
        Ok(out.taken)
    }

    /// Gives the system what is owed, as far as it takes it; how much that was.
    fn pay(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let before = self.paid;
        loop {
            match give(stream, &self.owed[self.paid..])? {
                0 => break,
                taken => self.paid += taken,
            }
        }
        let taken = self.paid - before;
        if self.paid == self.owed.len() {
            // An idle connection keeps no memory for it.
            (self.owed, self.paid) = (Vec::new(), 0);
        }
        Ok(taken)
    }
}

/// Where records come from.
struct In<'a>(&'a TcpStream);

impl io::Read for In<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

/// Where records go: to the system, behind what it has not taken.
struct Out<'a> {
    stream: &'a TcpStream,
    owed: &'a mut Vec<u8>,
    /// By the system.
    taken: usize,
}

impl Out<'_> {
    /// What the system takes now of something, unless it has to wait behind other things. None: it takes nothing.
    fn give(
        &mut self,
        give: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        if !self.owed.is_empty() {
            return Ok(None);
        }
        match give(self.stream) {
            Ok(taken) => {
                self.taken += taken;
                Ok(Some(taken))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(taken) = self.give(|stream| stream.try_write(bytes))? {
            return Ok(taken);
        }
        self.owed.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// What a flight of the handshake is made of goes with one call.
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if let Some(taken) = self.give(|stream| stream.try_write_vectored(parts))? {
            return Ok(taken);
        }
        parts.iter().for_each(|part| self.owed.extend_from_slice(part));
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a request can begin with it.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

fn why(error: &io::Error) -> Failed {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Failed::NothingInCommon,
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::CloseNotify | AlertDescription::UserCanceled => Failed::Gone,
            _ => Failed::Refused,
        },
        Some(_) => Failed::Malformed,
        None => Failed::Gone,
    }
}
