//! The way in for sockets: a permit for a newcomer, or a refusal.
//!
//! Without room, who has waited for longest for its client goes; if nobody waits, the newcomer is refused at
//! once. The books are in [`Doors`](crate::doors::Doors).

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::doors::{Kind, SocketPermit};
use crate::driver::Core;
use crate::socket::Socket;

/// Time for a refusal to be taken.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// How long a connection may wait for its client before it has to make room.
const GRACE: Duration = Duration::from_millis(100);
/// How often a newcomer looks for room: what others leave may be taken by another shard.
const TRIES: usize = 8;

/// The permit of a newcomer, for whom others that only wait make room. `None`: nobody does.
pub(super) async fn enter(core: &Core, kind: Kind) -> Option<SocketPermit> {
    let max = match kind {
        Kind::Link => core.settings.handshakes_max,
        Kind::Rest => core.settings.rest_connections_max,
    };
    for _ in 0..TRIES {
        let crowd = match core.doors.permit(kind, max) {
            Ok(permit) => return Some(permit),
            Err(crowd) => crowd?,
        };
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
pub(super) fn turn_away(core: &Core, stream: TcpStream, answer: &'static [u8]) {
    if core.terms.are_tls() {
        // Who would not understand it gets none, and a handshake is what there is no room for.
        return;
    }
    let Some(place) = core.doors.refusal() else {
        // What the socket takes at once; its end may come as a reset.
        drop(stream.try_write(answer));
        return;
    };
    let mut stream = Socket::Plain(stream);
    tokio::task::spawn_local(async move {
        drop(timeout(REFUSAL_TIME, write_and_close(&mut stream, answer)).await);
        drop(place);
    });
}

/// Writes the last words on a socket, so that they arrive.
pub(super) async fn write_and_close(stream: &mut Socket, answer: &[u8]) -> std::io::Result<()> {
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
