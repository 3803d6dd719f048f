//! Who of those at the door may come in.
//!
//! Owns the counts of a shard's handshakes and REST connections, and its share in those of the process.
//! Descriptors are a budget: only so many are for clients' sockets, so that the log, the index and the
//! operators never lack theirs. Without room, who has waited for longest for its client goes; if nobody
//! waits, the newcomer is refused at once.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::addresses::Addresses;
use super::permit::{Permits, SocketPermit};
use super::waiting::Queue;
use crate::driver::Core;

/// Refusals that one shard writes at once; these sockets are above the budget. More are closed unwritten.
pub(crate) const REFUSALS_MAX: usize = 16;
/// Time for a refusal to be taken.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// How long a connection may wait for its client before it has to make room.
const GRACE: Duration = Duration::from_millis(100);
/// How often a newcomer looks for room: what others leave may be taken by another shard.
const TRIES: usize = 8;

/// See the module.
pub(crate) struct Doors {
    pub(crate) permits: Permits,
    /// Limits of links per address.
    pub(crate) addresses: Addresses,
    /// Limits of REST per address.
    pub(crate) rest_addresses: Addresses,
    /// Handshakes under way.
    pub(crate) handshakes: Cell<usize>,
    /// REST connections open.
    pub(crate) rest_connections: Cell<usize>,
    refusals: Cell<usize>,
    /// Handshakes whose head is not there yet.
    pub(super) heads: Rc<Queue>,
    /// REST connections whose next request is not there yet, or not whole.
    pub(super) requests: Rc<Queue>,
    /// REST connections whose answer is not taken.
    pub(super) answers: Rc<Queue>,
}

/// What somebody at the door wants to be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Link,
    Rest,
}

impl Doors {
    pub(crate) fn new(permits: Permits, addresses: Addresses, rest_addresses: Addresses) -> Self {
        Self {
            permits,
            addresses,
            rest_addresses,
            handshakes: Cell::new(0),
            rest_connections: Cell::new(0),
            refusals: Cell::new(0),
            heads: Rc::default(),
            requests: Rc::default(),
            answers: Rc::default(),
        }
    }

    /// Where room can be made for one more of a kind, if there are too many of it; else for any socket: idle
    /// connections of REST go first, which costs their clients least.
    fn crowded(&self, kind: Kind, too_many: bool) -> Option<&Rc<Queue>> {
        let queues: &[&Rc<Queue>] = match (too_many, kind) {
            (true, Kind::Link) => &[&self.heads],
            (true, Kind::Rest) => &[&self.requests, &self.answers],
            (false, _) => &[&self.requests, &self.heads, &self.answers],
        };
        queues.iter().find(|queue| queue.longest().is_some()).copied()
    }
}

/// The permit of a newcomer, for whom others that only wait make room. `None`: nobody does.
pub(super) async fn enter(core: &Core, kind: Kind) -> Option<SocketPermit> {
    let doors = &core.doors;
    for _ in 0..TRIES {
        let too_many = match kind {
            Kind::Link => doors.handshakes.get() >= core.settings.handshakes_max,
            Kind::Rest => doors.rest_connections.get() >= core.settings.rest_connections_max,
        };
        if !too_many && let Some(permit) = doors.permits.socket() {
            return Some(permit);
        }
        let crowd = doors.crowded(kind, too_many)?;
        match crowd.longest().map(|since| since + GRACE) {
            // Nobody had the time to speak yet: newcomers wait this moment at the door.
            Some(until) if until > Instant::now() => sleep_until(until).await,
            _ => {
                if crowd.make_room() {
                    core.metrics.connections_displaced.add(1);
                }
                // Whoever makes room goes when its task runs.
                tokio::task::yield_now().await;
            }
        }
    }
    None
}

/// Refuses at the door: writes `answer` if there is a place to do so from, and closes.
pub(super) fn turn_away(core: &Rc<Core>, mut stream: TcpStream, answer: &'static [u8]) {
    let refusals = &core.doors.refusals;
    if refusals.get() >= REFUSALS_MAX {
        // What the socket takes at once; its end may come as a reset.
        drop(stream.try_write(answer));
        return;
    }
    refusals.set(refusals.get() + 1);
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        drop(timeout(REFUSAL_TIME, write_and_close(&mut stream, answer)).await);
        core.doors.refusals.set(core.doors.refusals.get() - 1);
    });
}

/// Writes the last words on a socket, so that they arrive.
pub(super) async fn write_and_close(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    // What the peer still sends is read for a moment, or a reset could overtake the answer.
    let mut sink = [0_u8; 512];
    for _ in 0..16 {
        if stream.read(&mut sink).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Whether an address is that of a proxy, which speaks for many.
pub(super) fn is_proxy(core: &Core, address: IpAddr) -> bool {
    core.live().trusted_proxies.iter().any(|network| network.contains(address))
}
