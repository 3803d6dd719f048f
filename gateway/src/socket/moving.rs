//! A socket on its way to another thread, whose runtime is to have it.

use std::io;

use super::{Socket, tls};

/// See the module.
pub(crate) enum Moving {
    Plain(std::net::TcpStream),
    Tls(Box<tls::Moving>),
}

impl Moving {
    /// Takes it out of this thread's runtime.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn leave(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Plain(stream) => Self::Plain(stream.into_std()?),
            Socket::Tls(tls) => Self::Tls(Box::new(tls.leave()?)),
        })
    }

    /// Gives it to the runtime of this thread.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn arrive(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Plain(stream) => Socket::Plain(tokio::net::TcpStream::from_std(stream)?),
            Self::Tls(moving) => Socket::Tls(Box::new(moving.arrive()?)),
        })
    }
}
