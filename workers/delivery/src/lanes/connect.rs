//! A stream to one process.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{IntoStreamingRequest as _, Status, Streaming};

use super::LaneOptions;
use super::ledger::UNANSWERED_MAX;
use crate::wire::{self, ANSWER_BYTES_MAX, Bare, PATH, SECRET};

/// A stream whose two sides have greeted each other.
pub(super) struct Stream {
    pub(super) batches: mpsc::Sender<Bytes>,
    pub(super) answers: Streaming<Bytes>,
    /// The connection stands as long as this does.
    _channel: Channel,
}

/// Opens one, and greets.
///
/// # Errors
/// What keeps it from standing, in words.
pub(super) async fn connect(address: &str, options: &LaneOptions) -> Result<Box<Stream>, Status> {
    let opened = tokio::time::timeout(options.connect_timeout, open(address, options)).await;
    opened.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

async fn open(address: &str, options: &LaneOptions) -> Result<Box<Stream>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::invalid_argument(format!("{address} is no address: {error}")))?
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(options.keep_alive)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect().await.map_err(unreachable)?;
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX.max(1024));
    grpc.ready().await.map_err(unreachable)?;
    // A greeting and all that may be under way: there is always a place.
    let (batches, outgoing) = mpsc::channel(UNANSWERED_MAX + 1);
    drop(batches.try_send(wire::hello()));
    let mut request = ReceiverStream::new(outgoing).into_streaming_request();
    if !options.secret.is_empty() {
        let mut secret = MetadataValue::from_bytes(options.secret.as_bytes());
        secret.set_sensitive(true);
        request.metadata_mut().insert_bin(SECRET, secret);
    }
    let path = PathAndQuery::from_static(PATH);
    let mut answers = grpc.streaming(request, path, Bare).await?.into_inner();
    let hello = answers.message().await?.ok_or_else(ended)?;
    wire::greeted(&hello).map_err(|stranger| Status::failed_precondition(stranger.to_string()))?;
    Ok(Box::new(Stream { batches, answers, _channel: channel }))
}

fn ended() -> Status {
    Status::unavailable("the other side has ended the stream")
}

/// An error of the transport with its causes: by itself it says only that there is one.
fn unreachable(error: tonic::transport::Error) -> Status {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(of) = cause {
        words = format!("{words}: {of}");
        cause = of.source();
    }
    Status::unavailable(words)
}
