//! Listening sockets, one a shard on the same port, and the loop that accepts from one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::driver::Core;

const BACKLOG: i32 = 4096;

/// Binds a listener that other shards may share the port with.
///
/// # Errors
/// The system's: most often the port is taken.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts links until aborted. With all handshakes taken it stops accepting: the backlog waits.
pub(crate) async fn accept_websockets(core: Rc<Core>, listener: tokio::net::TcpListener) {
    loop {
        while core.handshakes.get() >= core.settings.handshakes_max {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                core.handshakes.set(core.handshakes.get() + 1);
                let core = Rc::clone(&core);
                tokio::task::spawn_local(async move {
                    super::handshake::handshake(&core, stream, peer).await;
                    core.handshakes.set(core.handshakes.get() - 1);
                });
            }
            Err(cause) => pause(&cause).await,
        }
    }
}

/// Out of descriptors or memory: say so, and let some links go before the next try.
pub(crate) async fn pause(cause: &io::Error) {
    tracing::warn!(%cause, "cannot accept; check the limit on open files");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
