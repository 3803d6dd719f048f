//! A client's connection, plain or with TLS, so that whoever reads and writes it need not know which.
//!
//! In: what the system accepted. Out: bytes as the peer meant them. A plain one costs a look at which of both it is and
//! nothing else. Never: waits, or locks.

mod moving;
mod terms;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) use self::moving::Moving;
pub(crate) use self::terms::{Offer, Terms};
use self::tls::Tls;
pub(crate) use self::tls::{Failed, Greeted};

/// See the module.
pub(crate) enum Socket {
    Plain(TcpStream),
    /// What TLS needs besides lies elsewhere, so that a plain link pays nothing for it.
    Tls(Box<Tls>),
}

/// A million idle links pay for it.
const _: () = assert!(size_of::<Socket>() == size_of::<TcpStream>());

/// What came of an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Of the bytes that were offered.
    pub(crate) offered: usize,
    /// By the system, of these and of what was owed: the peer, or the way to it, takes something.
    pub(crate) by_system: usize,
}

/// Gives the system what it takes now; 0: it takes nothing.
fn give(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match stream.try_write(bytes) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}

impl Socket {
    /// The handshake of TLS, if there is one to be made. Nothing else is read or written before.
    pub(crate) async fn greet(&mut self) -> Result<Option<Greeted>, Failed> {
        match self {
            Self::Plain(_) => Ok(None),
            Self::Tls(tls) => tls.greet().await.map(Some),
        }
    }

    /// Without TLS from here on, for who never began it.
    pub(crate) fn into_plain(self) -> TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.into_stream(),
        }
    }

    fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.stream(),
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// Bytes that were taken of what was offered, as they go over the wire, and that the system has not taken yet.
    pub(crate) fn owed_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.owed_bytes(),
        }
    }

    /// Notes what lies in that, for who has offered it.
    pub(crate) fn mark_owed(&mut self, mark: u64) {
        if let Self::Tls(tls) = self {
            tls.owed_mark = mark;
        }
    }

    /// What was noted of it; 0: nothing is owed.
    pub(crate) fn owed_mark(&self) -> u64 {
        match self {
            Self::Tls(tls) if tls.owed_bytes() > 0 => tls.owed_mark,
            Self::Plain(_) | Self::Tls(_) => 0,
        }
    }

    /// Takes what can be written without waiting: what is owed first, then of `bytes`.
    ///
    /// # Errors
    /// The system's, but for "would block".
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> io::Result<Taken> {
        match self {
            Self::Plain(stream) => {
                let taken = give(stream, bytes)?;
                Ok(Taken { offered: taken, by_system: taken })
            }
            Self::Tls(tls) => tls.offer(bytes),
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_write_ready(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(tls) => tls.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(tls) => tls.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Tls(tls) => {
                let first = parts.iter().find(|part| !part.is_empty());
                tls.poll_write(cx, first.map_or(&[], |part| part))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(tls) => tls.poll_paid(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
