//! What strangers get: words, the end of their stream, and nothing of anybody else's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use openim_record::{MessageKey, PartitionId, Place, Position, Settled};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, IntoStreamingRequest as _, Status, Streaming};

use super::*;
use crate::wire::{self, BATCH_BYTES_MAX, Bare, PATH, Writer};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl Fronts for Counted {
    async fn tell(&self, _: Process, _: Told) -> Vec<u8> {
        self.0.fetch_add(1, Relaxed);
        Vec::new()
    }
}

struct Served {
    address: SocketAddr,
    fronts: Arc<Counted>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

async fn start(options: ServeOptions) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let fronts = Arc::new(Counted::default());
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        drop(stopped.await);
    };
    let task = tokio::spawn(serve(listener, Arc::clone(&fronts) as _, options, stopped));
    Served { address, fronts, stop, task }
}

/// A stream of whatever a peer says.
struct Peer {
    messages: mpsc::Sender<Bytes>,
    answers: Streaming<Bytes>,
    _channel: tonic::transport::Channel,
}

impl Peer {
    async fn open(address: SocketAddr, path: &'static str) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let gone = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        let channel = endpoint.connect().await.map_err(gone)?;
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.map_err(gone)?;
        let (messages, outgoing) = mpsc::channel(8);
        let request = ReceiverStream::new(outgoing).into_streaming_request();
        let path = PathAndQuery::from_static(path);
        let answers = grpc.streaming(request, path, Bare).await?.into_inner();
        Ok(Self { messages, answers, _channel: channel })
    }

    async fn say(&self, message: impl Into<Bytes>) {
        self.messages.send(message.into()).await.expect("a stream");
    }

    async fn hear(&mut self) -> Result<Option<Bytes>, Status> {
        in_time(self.answers.message()).await
    }
}

async fn greeted(address: SocketAddr) -> Result<Peer, Status> {
    let mut peer = Peer::open(address, PATH).await?;
    peer.say(wire::hello()).await;
    match peer.hear().await? {
        Some(hello) if hello == wire::hello() => Ok(peer),
        other => Err(Status::unknown(format!("{other:?}"))),
    }
}

async fn in_time<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.expect("it comes")
}

fn batch() -> Vec<u8> {
    let place = Place { partition: PartitionId(1), position: Position(1) };
    let settled = Settled { key: MessageKey(1), place, first_ns: 1 };
    let mut writer = Writer::default();
    writer.part(Process([1; 16]), &Told::Settle(vec![settled]), 0);
    writer.finish().bytes
}

/// It serves whoever knows how to behave.
async fn serves(served: &Served) {
    let before = served.fronts.0.load(Relaxed);
    let open = async {
        loop {
            // What ended a moment before may still count.
            if let Ok(peer) = greeted(served.address).await {
                break peer;
            }
        }
    };
    let mut peer = in_time(open).await;
    peer.say(batch()).await;
    assert_eq!(peer.hear().await.unwrap(), Some(Bytes::new()));
    assert_eq!(served.fronts.0.load(Relaxed), before + 1);
}

/// What a stream is ended with that says `message` behind its greeting.
async fn ended_by(served: &Served, message: Vec<u8>) -> Status {
    let mut peer = greeted(served.address).await.unwrap();
    peer.say(message).await;
    peer.hear().await.unwrap_err()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}

#[test]
fn a_batch_that_is_none_ends_its_stream_with_words() {
    run(async {
        let served = start(ServeOptions::default()).await;
        let mut other = greeted(served.address).await.unwrap();
        let mut cut = batch();
        cut.pop();
        for garbage in [vec![0; 100], vec![0xff; 1000], cut] {
            let status = ended_by(&served, garbage).await;
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains("no batch"), "{status}");
        }
        assert_eq!(served.fronts.0.load(Relaxed), 0);
        other.say(batch()).await;
        assert_eq!(other.hear().await.unwrap(), Some(Bytes::new()), "others go on");
    });
}

#[test]
fn a_message_above_the_bound_is_not_read() {
    run(async {
        let served = start(ServeOptions::default()).await;
        let status =
            ended_by(&served, vec![0; ServeOptions::default().message_bytes_max + 1]).await;
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        serves(&served).await;
    });
}

#[test]
fn another_version_and_no_greeting_are_refused_with_words() {
    run(async {
        let served = start(ServeOptions::default()).await;
        for (said, words) in [(&b"OIMD\x02\x00"[..], "version 2"), (&[0; 64], "no greeting")] {
            let mut peer = Peer::open(served.address, PATH).await.unwrap();
            peer.say(said).await;
            let status = peer.hear().await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
            assert!(status.message().contains(words), "{status}");
        }
        serves(&served).await;
    });
}

#[test]
fn another_secret_and_another_call_are_refused() {
    run(async {
        let secret = "geheim".to_owned();
        let served = start(ServeOptions { secret, ..ServeOptions::default() }).await;
        let refused = Peer::open(served.address, PATH).await.err().expect("a refusal");
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
        let refused = Peer::open(served.address, "/other/Call").await.err().expect("a refusal");
        assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
    });
}

#[test]
fn bytes_that_are_no_http_end_their_connection() {
    run(async {
        let served = start(ServeOptions::default()).await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let garbage = [preface, vec![0xff; 100]].concat();
        for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 1 << 16], garbage] {
            let mut socket = TcpStream::connect(served.address).await.unwrap();
            // It may be ended before all is written.
            drop(socket.write_all(&bytes).await);
            let mut heard = Vec::new();
            drop(in_time(socket.read_to_end(&mut heard)).await);
            assert!(heard.len() < 1 << 10, "a few words at most: {}", heard.len());
        }
        serves(&served).await;
    });
}

#[test]
fn a_connection_that_begins_nothing_is_ended() {
    run(async {
        let begin_timeout = Duration::from_millis(50);
        let served = start(ServeOptions { begin_timeout, ..ServeOptions::default() }).await;
        let mut silent = TcpStream::connect(served.address).await.unwrap();
        drop(in_time(silent.read_to_end(&mut Vec::new())).await);
        serves(&served).await;
    });
}

#[test]
fn there_are_no_more_streams_than_are_allowed() {
    run(async {
        let served = start(ServeOptions { streams_max: 1, ..ServeOptions::default() }).await;
        let mut first = greeted(served.address).await.unwrap();
        assert!(greeted(served.address).await.is_err());
        first.say(batch()).await;
        assert_eq!(first.hear().await.unwrap(), Some(Bytes::new()));
        drop(first);
        serves(&served).await;
    });
}

#[test]
fn many_batches_at_once_are_answered_one_by_one() {
    run(async {
        let served = start(ServeOptions::default()).await;
        let mut peer = greeted(served.address).await.unwrap();
        let large = batch().repeat(BATCH_BYTES_MAX / batch().len());
        for _ in 0..8 {
            peer.say(large.clone()).await;
        }
        for _ in 0..8 {
            assert_eq!(peer.hear().await.unwrap(), Some(Bytes::new()));
        }
        assert_eq!(served.fronts.0.load(Relaxed), 8, "what is for one front is one call");
    });
}

#[test]
fn it_ends_when_it_is_to_and_keeps_nothing() {
    run(async {
        let served = start(ServeOptions::default()).await;
        let mut peer = greeted(served.address).await.unwrap();
        let Served { fronts, stop, task, .. } = served;
        stop.send(()).expect("it runs");
        in_time(task).await.expect("no panic").expect("no error");
        assert!(peer.hear().await.is_err());
        let released = async {
            while Arc::strong_count(&fronts) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        in_time(released).await;
    });
}
