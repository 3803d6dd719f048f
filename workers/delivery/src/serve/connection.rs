//! One connection of a transfer, with its one stream.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};

use super::stream::{Answers, Teller};
use super::{Fronts, ServeOptions};
use crate::wire::{Bare, PATH, SECRET};

/// Bytes of a peer that may be on their way beyond what is read: a batch whole.
const WINDOW_BYTES: u32 = 1 << 20;
/// A request of ours has a few short ones.
const HEADER_BYTES_MAX: u32 = 4 << 10;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No stream yet.
    New,
    /// It has one.
    Streaming,
    /// It had one.
    Over,
}

/// Serves a connection until its stream has ended, or has not begun in time.
pub(super) async fn run(
    socket: TcpStream,
    peer: SocketAddr,
    fronts: Arc<dyn Fronts>,
    options: Arc<ServeOptions>,
) {
    // Answers are small, and waited for.
    drop(socket.set_nodelay(true));
    let (phase, mut phases) = watch::channel(Phase::New);
    let at = Arc::new(At { peer, fronts, options: Arc::clone(&options), phase });
    let service = service_fn(move |request| {
        let at = Arc::clone(&at);
        async move { Ok::<_, Infallible>(answer(at, request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(1)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(options.keep_alive)
        .keep_alive_timeout(options.keep_alive_timeout);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let begun = async {
        let began = tokio::time::timeout(
            options.begin_timeout,
            phases.wait_for(|phase| *phase != Phase::New),
        );
        let in_time = began.await.is_ok();
        if in_time {
            drop(phases.wait_for(|phase| *phase == Phase::Over).await);
        }
        in_time
    };
    tokio::select! {
        _ = &mut connection => return,
        begun = begun => if !begun {
            options.strangers.met(peer, "a connection for deliveries has begun no stream");
            return;
        },
    }
    // What the stream has ended with goes out, and nothing comes behind it.
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(options.begin_timeout, connection).await);
}

/// What requests of a connection have in common.
struct At {
    peer: SocketAddr,
    fronts: Arc<dyn Fronts>,
    options: Arc<ServeOptions>,
    phase: watch::Sender<Phase>,
}

async fn answer(at: Arc<At>, request: http::Request<Incoming>) -> http::Response<Body> {
    if request.uri().path() != PATH {
        return Status::unimplemented("there is no such call").into_http();
    }
    let bound = at.options.message_bytes_max;
    let mut grpc = Grpc::new(Bare).max_decoding_message_size(bound);
    grpc.streaming(Opening(at), request).await
}

/// The call that opens the stream.
struct Opening(Arc<At>);

impl tonic::codegen::Service<Request<Streaming<bytes::Bytes>>> for Opening {
    type Response = Response<Answers>;
    type Error = Status;
    type Future = std::future::Ready<Result<Self::Response, Status>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Status>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<bytes::Bytes>>) -> Self::Future {
        std::future::ready(self.0.open(request))
    }
}

impl At {
    fn open(&self, request: Request<Streaming<bytes::Bytes>>) -> Result<Response<Answers>, Status> {
        let secret = request.metadata().get_bin(SECRET).map(|secret| secret.to_bytes());
        let secret = secret.unwrap_or_else(|| Ok(bytes::Bytes::new())).unwrap_or_default();
        let peer = self.peer;
        if !bool::from(secret.ct_eq(self.options.secret.as_bytes())) {
            self.options.strangers.met_with_another_secret(peer);
            return Err(Status::unauthenticated("the secret is another one here"));
        }
        self.phase.send_replace(Phase::Streaming);
        let over = self.phase.clone();
        let fronts = Arc::clone(&self.fronts);
        let streams = self.options.streams.clone();
        let teller = Teller { peer, fronts, streams, batches: request.into_inner() };
        Ok(Response::new(Answers::of(teller, over)))
    }
}
