//! Listening sockets, one a shard on the same port, and the loop that accepts from one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use openim_protocol::handshake::Refusal;
use socket2::{Domain, Protocol, Socket, Type};

use super::doors::{self, Kind};
use super::waiting::Seat;
use crate::driver::Core;
use crate::metrics::RefusedWith;

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

/// Accepts links until aborted. Who finds no room is refused at once.
pub(crate) async fn accept_websockets(core: Rc<Core>, listener: tokio::net::TcpListener) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                pause(&core, &cause).await;
                continue;
            }
        };
        let Some(permit) = doors::enter(&core, Kind::Link).await else {
            core.metrics.handshakes_refused.of(RefusedWith::Unavailable).add(1);
            doors::turn_away(&core, stream, Refusal::UNAVAILABLE);
            continue;
        };
        core.doors.handshakes.set(core.doors.handshakes.get() + 1);
        let core = Rc::clone(&core);
        let seat = Rc::new(Seat::default());
        seat.waits(&core.doors.heads);
        tokio::task::spawn_local(async move {
            super::handshake::handshake(&core, stream, peer, permit, seat).await;
            core.doors.handshakes.set(core.doors.handshakes.get() - 1);
        });
    }
}

/// Out of memory, or of descriptors in spite of the budget: says so, and waits a moment.
pub(crate) async fn pause(core: &Core, cause: &io::Error) {
    if let Some(times) = core.doors.permits.failed(core.now().unix_s()) {
        tracing::warn!(%cause, times, "cannot accept; check the limit on open files");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}
