//! Accepts REST connections and serves each on a task of this shard.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::route;
use super::stalling::Stalling;
use crate::driver::Core;
use crate::ingress::listener::pause;

/// Bytes of a request head, and of what is read at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Whom a connection comes from, and its place among all of the shard.
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) place: Rc<Place>,
}

/// Counts a connection, until it and what it asked for are over.
pub(super) struct Place(Rc<Core>);

impl Place {
    fn take(core: &Rc<Core>) -> Rc<Self> {
        core.rest_connections.set(core.rest_connections.get() + 1);
        Rc::new(Self(Rc::clone(core)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.rest_connections.set(self.0.rest_connections.get() - 1);
    }
}

/// Accepts until aborted; at the configured number of connections the backlog waits.
pub(crate) async fn accept(core: Rc<Core>, listener: TcpListener) {
    loop {
        while core.rest_connections.get() >= core.settings.rest_connections_max {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = Peer { address: peer.ip().to_canonical(), place: Place::take(&core) };
                let core = Rc::clone(&core);
                tokio::task::spawn_local(async move { serve(&core, peer, stream).await });
            }
            Err(cause) => pause(&cause).await,
        }
    }
}

async fn serve(core: &Rc<Core>, peer: Peer, stream: tokio::net::TcpStream) {
    // A client that has gone already may have asked for something all the same.
    drop(stream.set_nodelay(true));
    let peer = &peer;
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(route::answer(core, peer, request).await)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // Between two requests of a connection this is the keep-alive time as well.
        .header_read_timeout(core.settings.keep_alive)
        .max_buf_size(HEAD_BYTES_MAX)
        // Who says nothing more still waits for the answers.
        .half_close(true)
        .serve_connection(TokioIo::new(Stalling::new(stream, core.settings.write_stall)), service)
        .await;
    if let Err(cause) = served {
        tracing::debug!(%cause, "rest connection ended early");
    }
}
