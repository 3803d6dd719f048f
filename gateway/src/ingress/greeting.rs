//! A newcomer's socket on the shard's terms, and the handshake of TLS, where there is one.
//!
//! Who speaks plain where TLS is wanted gets one plain answer that says so.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::entrance::write_and_close;
use crate::driver::Core;
use crate::metrics::{TlsFailed, TlsHandshake};
use crate::socket::{Failed, Greeted, Socket};

/// To a client without TLS.
const WANTS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 59\r\n\
    Connection: close\r\n\r\nthis port speaks TLS: use https:// or wss:// to come here\r\n";

/// What to go on with. None: there is nothing to go on with, and it was counted why.
pub(super) async fn greet(core: &Core, stream: TcpStream, within: Duration) -> Option<Socket> {
    let Ok(mut socket) = core.terms.take(stream) else {
        core.metrics.tls_failed.of(TlsFailed::Unready).add(1);
        return None;
    };
    let failed = match timeout(within, socket.greet()).await {
        Ok(Ok(greeted)) => {
            let kind = match greeted {
                None => return Some(socket),
                Some(Greeted::Anew) => TlsHandshake::Full,
                Some(Greeted::Resumed) => TlsHandshake::Resumed,
            };
            core.metrics.tls_handshakes.of(kind).add(1);
            return Some(socket);
        }
        Ok(Err(failed)) => match failed {
            Failed::Plain => TlsFailed::Plain,
            Failed::NothingInCommon => TlsFailed::NothingInCommon,
            Failed::Refused => TlsFailed::Refused,
            Failed::Malformed => TlsFailed::Malformed,
            Failed::Gone => TlsFailed::Gone,
        },
        Err(_) => TlsFailed::Slow,
    };
    core.metrics.tls_failed.of(failed).add(1);
    if failed == TlsFailed::Plain {
        let mut plain = Socket::Plain(socket.into_plain());
        drop(timeout(within, write_and_close(&mut plain, WANTS_TLS)).await);
    }
    None
}
