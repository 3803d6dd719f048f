//! Accepts REST connections and serves each on a task of this shard.

use std::convert::Infallible;
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

/// Accepts until aborted; at the configured number of connections the backlog waits.
pub(crate) async fn accept(core: Rc<Core>, listener: TcpListener) {
    loop {
        while core.rest_connections.get() >= core.settings.rest_connections_max {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                core.rest_connections.set(core.rest_connections.get() + 1);
                let core = Rc::clone(&core);
                tokio::task::spawn_local(async move {
                    if stream.set_nodelay(true).is_ok() {
                        serve(&core, stream).await;
                    }
                    core.rest_connections.set(core.rest_connections.get() - 1);
                });
            }
            Err(cause) => pause(&cause).await,
        }
    }
}

async fn serve(core: &Rc<Core>, stream: tokio::net::TcpStream) {
    let service =
        service_fn(|request| async { Ok::<_, Infallible>(route::answer(core, request).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // Between two requests of a connection this is the keep-alive time as well.
        .header_read_timeout(core.settings.keep_alive)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Stalling::new(stream, core.settings.write_stall)), service)
        .await;
    if let Err(cause) = served {
        tracing::debug!(%cause, "rest connection ended early");
    }
}
