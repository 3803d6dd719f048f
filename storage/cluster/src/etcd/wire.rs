//! What is said to etcd and back: the few messages of its interface (v3) that are used, with their field numbers.

use std::str::FromStr as _;

use prost::Message;
use tonic::IntoStreamingRequest;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{IntoRequest, Status, Streaming};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    /// The first key behind the range; empty: one key.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) range_end: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(super) kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) lease: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutResponse {}

/// Whether a key has never been written: its version is 0, which is what an absent field says.
#[derive(Clone, PartialEq, Message)]
pub(super) struct IsAbsent {
    #[prost(bytes = "vec", tag = "3")]
    pub(super) key: Vec<u8>,
    #[prost(int64, optional, tag = "4")]
    pub(super) version: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutOperation {
    #[prost(message, optional, tag = "2")]
    pub(super) put: Option<PutRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeOperation {
    #[prost(message, optional, tag = "1")]
    pub(super) range: Option<RangeRequest>,
}

/// Puts something if a key is absent, else reads it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PutIfAbsentRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) compare: Vec<IsAbsent>,
    #[prost(message, repeated, tag = "2")]
    pub(super) success: Vec<PutOperation>,
    #[prost(message, repeated, tag = "3")]
    pub(super) failure: Vec<RangeOperation>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeOutcome {
    #[prost(message, optional, tag = "1")]
    pub(super) range: Option<RangeResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutIfAbsentResponse {
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    pub(super) responses: Vec<RangeOutcome>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseGrantRequest {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub(super) ttl: i64,
}

/// Also of a lease that was kept alive; a time of 0: there is no such lease.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseResponse {
    #[prost(int64, tag = "2")]
    pub(super) id: i64,
    /// Seconds.
    #[prost(int64, tag = "3")]
    pub(super) ttl: i64,
}

/// To keep it alive, or to end it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseRequest {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LeaseRevokeResponse {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<WatchCreate>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchCreate {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) range_end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) start_revision: i64,
    /// An answer now and then though nothing happens, so that a dead connection shows.
    #[prost(bool, tag = "4")]
    pub(super) progress_notify: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    #[prost(string, tag = "6")]
    pub(super) cancel_reason: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// 0 a put, 1 a deletion.
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) kv: Option<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthenticateRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) password: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub(super) token: String,
}

/// What it says to a caller whose token it does not take, any more.
type Token = MetadataValue<Ascii>;

/// One way to the servers, and the token that they gave, where they want one.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) channel: Channel,
    pub(super) token: Option<Token>,
}

impl Caller {
    /// Asks once.
    pub(super) async fn ask<Q, A>(&self, path: &'static str, question: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        ready(&mut grpc).await?;
        let mut request = question.into_request();
        self.sign(request.metadata_mut());
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(grpc.unary(request, path, codec).await?.into_inner())
    }

    /// Asks, and is told again and again until the answer is dropped; `questions` may not end before.
    pub(super) async fn follow<Q, A>(
        &self,
        path: &'static str,
        questions: impl tokio_stream::Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<A>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        ready(&mut grpc).await?;
        let mut request = questions.into_streaming_request();
        self.sign(request.metadata_mut());
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(grpc.streaming(request, path, codec).await?.into_inner())
    }

    fn sign(&self, metadata: &mut tonic::metadata::MetadataMap) {
        if let Some(token) = &self.token {
            metadata.insert("token", token.clone());
        }
    }
}

/// A token as it goes with each question.
pub(super) fn token(text: &str) -> Result<Token, Status> {
    MetadataValue::from_str(text).map_err(|_| Status::internal("the token is no header's value"))
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
}
