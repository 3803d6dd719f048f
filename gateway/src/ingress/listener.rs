//! Listening sockets, one a shard on the same port, and the loop that accepts from one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use openim_protocol::handshake::Refusal;
use socket2::{Domain, Protocol, Socket, Type};

use super::entrance;
use crate::doors::{Kind, Seat};
use crate::driver::Core;
use crate::metrics::RefusedWith;

const BACKLOG: i32 = 4096;
/// Bytes of answers that the system keeps unsent for a connection of REST, and up to one write more. Without
/// it these are megabytes each, of which no budget of ours knows, and copying them delays everybody.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Binds a listener that other shards may share the port with.
///
/// # Errors
/// The system's: most often the port is taken.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    open(&socket, address)?;
    Ok(socket.into())
}

/// Binds a listener that nobody shares. The unspecified IPv6 address is every address, of IPv4 too; where
/// the system has no IPv6, it is every address of IPv4.
///
/// # Errors
/// The system's: most often the port is taken.
pub(crate) fn bind_alone(address: SocketAddr) -> io::Result<TcpListener> {
    let bind = |address| {
        let socket = socket(address)?;
        open(&socket, address)?;
        Ok(TcpListener::from(socket))
    };
    or_without_ipv6(address, bind)
}

/// Bounds what the system keeps for clients that do not take it. Accepted sockets inherit this.
///
/// # Errors
/// The system's.
pub(super) fn bound_unsent(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// Tries the address; if it is the unspecified one of IPv6, and there is no IPv6, that of IPv4.
fn or_without_ipv6<T>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    const EVERY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    // Not built in, switched off, or without a single address.
    let is_off = |error: &io::Error| {
        let errors = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL];
        errors.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    };
    match bind(address) {
        Err(error) if address.ip() == EVERY && is_off(&error) => {
            bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        }
        outcome => outcome,
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)
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
        let Some(permit) = entrance::enter(&core, Kind::Link).await else {
            core.metrics.handshakes_refused.of(RefusedWith::Unavailable).add(1);
            entrance::turn_away(&core, stream, Refusal::UNAVAILABLE);
            continue;
        };
        let place = core.doors.handshake();
        let core = Rc::clone(&core);
        let seat = Rc::new(Seat::default());
        seat.waits(core.doors.heads());
        tokio::task::spawn_local(async move {
            super::handshake::handshake(&core, stream, peer, permit, seat).await;
            drop(place);
        });
    }
}

/// Out of memory, or of descriptors in spite of the budget: says so, and waits a moment.
pub(crate) async fn pause(core: &Core, cause: &io::Error) {
    if let Some(times) = core.doors.failed(core.now().unix_s()) {
        tracing::warn!(%cause, times, "cannot accept; check the limit on open files");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn without_ipv6_every_address_is_every_address_of_ipv4() {
        let taken = || io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error());
        let off = || io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
        let tried = |address: &str, error: &dyn Fn() -> io::Error| {
            let asked = RefCell::new(Vec::new());
            let bound = or_without_ipv6(address.parse().unwrap(), |address| {
                asked.borrow_mut().push(address.to_string());
                if address.is_ipv6() { Err(error()) } else { Ok(()) }
            });
            (bound.is_ok(), asked.into_inner())
        };
        let both = vec!["[::]:7777".to_owned(), "0.0.0.0:7777".to_owned()];
        assert_eq!(tried("[::]:7777", &off), (true, both));
        assert_eq!(tried("[::]:7777", &taken), (false, vec!["[::]:7777".to_owned()]));
        assert_eq!(tried("[::1]:7777", &off), (false, vec!["[::1]:7777".to_owned()]));
        assert_eq!(tried("0.0.0.0:1", &off), (true, vec!["0.0.0.0:1".to_owned()]));
    }
}
