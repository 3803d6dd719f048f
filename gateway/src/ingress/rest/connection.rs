//! Accepts REST connections and serves each on a task of this shard.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::answer::Answered;
use super::route;
use super::stalling::{Progress, Stalling};
use crate::doors::{Counted, Kind, Place, SocketPermit};
use crate::driver::Core;
use crate::ingress::entrance;
use crate::ingress::greeting::greet;
use crate::ingress::listener::pause;
use crate::phase::Stage;

/// Bytes of a request head, and of what is read at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// To whoever finds no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Retry-After: 1\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 54\r\nConnection: close\r\n\r\n\
    {\"errCode\":500,\"errMsg\":\"too many connections, retry\"}";

/// Whom a connection comes from, how far it is, and its place among all of the shard.
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) progress: Rc<Progress>,
    pub(super) places: Rc<Places>,
}

/// The place of a connection, here and among those of its address, until it and what it asked for are over.
pub(super) type Places = (Place, Option<Counted>);

/// Accepts until aborted. Above `limits.restConnectionsMax` those that wait for their clients make room; if
/// there are none, the newcomer is refused at once.
pub(crate) async fn accept(core: Rc<Core>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match enter(&core, peer).await {
                Some((peer, permit)) => {
                    let core = Rc::clone(&core);
                    tokio::task::spawn_local(async move {
                        serve(&core, peer, stream).await;
                        drop(permit);
                    });
                }
                None => {
                    core.metrics.rest_connections_refused.add(1);
                    entrance::turn_away(&core, stream, NO_ROOM);
                }
            },
            Err(cause) => pause(&core, &cause).await,
        }
    }
}

/// Lets a newcomer in, if there is room and its address has not too many already. A proxy's connections are
/// not its clients': they do not count by address.
async fn enter(core: &Rc<Core>, peer: SocketAddr) -> Option<(Peer, SocketPermit)> {
    let address = peer.ip().to_canonical();
    let counted = match entrance::is_proxy(core, address) {
        true => None,
        false => core.doors.count_rest(address, core.now().mono_ms / 1000).ok()?,
    };
    let permit = entrance::enter(core, Kind::Rest).await?;
    let places = Rc::new((core.doors.rest_connection(), counted));
    let (head_time, keep_alive) = (core.settings.head_time, core.settings.keep_alive);
    let progress = Progress::new(&core.doors, head_time, keep_alive);
    Some((Peer { address, progress, places }, permit))
}

async fn serve(core: &Rc<Core>, peer: Peer, stream: TcpStream) {
    let greeted = tokio::select! {
        greeted = greet(core, stream, core.settings.head_time) => greeted,
        () = peer.progress.seat.ended() => return,
    };
    let Some(stream) = greeted else { return };
    let peer = &peer;
    let service = service_fn(|request| async move {
        peer.progress.head_read();
        let mut response = route::answer(core, peer, request).await;
        if core.phase.get() >= Stage::Leaving {
            // The next call goes to who stays; a connection that is kept would be cut.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let progress = Rc::clone(&peer.progress);
        Ok::<_, Infallible>(response.map(|body| Answered::new(body, core, progress)))
    });
    let stream = Stalling::new(stream, &peer.progress, core.settings.write_stall);
    let connection = http1::Builder::new()
        // The socket knows better what is waited for.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        // Who says nothing more still waits for the answers.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        served = connection => served,
        () = peer.progress.seat.ended() => return,
    };
    if let Err(cause) = served {
        tracing::debug!(%cause, "rest connection ended early");
    }
}
