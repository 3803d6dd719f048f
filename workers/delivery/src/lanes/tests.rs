//! What a lane makes of a process that answers as none of ours does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use openim_record::{MessageKey, PartitionId, Place, Position, Settled};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::{Stream, StreamExt as _};
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::wire::Bare;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const FRONT: Process = Process([1; 16]);

/// Says these, whatever is said to it, and nothing behind.
#[derive(Clone)]
struct Says(Vec<Bytes>);

impl tonic::codegen::Service<Request<Streaming<Bytes>>> for Says {
    type Response = Response<Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>>;
    type Error = Status;
    type Future = std::future::Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let said = tokio_stream::iter(self.0.clone().into_iter().map(Ok));
        let batches = request.into_inner();
        let silent = batches.filter_map(|_| None);
        std::future::ready(Ok(Response::new(Box::pin(said.chain(silent)))))
    }
}

async fn says(messages: &[Bytes]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let says = Says(messages.to_vec());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let says = says.clone();
            let service = service_fn(move |request| {
                let says = says.clone();
                async move { Ok::<_, Infallible>(Grpc::new(Bare).streaming(says, request).await) }
            });
            let served = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                drop(served.serve_connection(TokioIo::new(socket), service).await);
            });
        }
    });
    address
}

fn lanes_to(address: SocketAddr) -> Lanes {
    let options = LaneOptions {
        answer_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        pause_max: Duration::from_millis(50),
        ..LaneOptions::default()
    };
    let lanes = Lanes::new(Handle::current(), options);
    lanes.gateways(&[(FRONT, address.to_string())]);
    lanes
}

fn settle(lanes: &Lanes) -> oneshot::Receiver<Option<Vec<u8>>> {
    let place = Place { partition: PartitionId(1), position: Position(1) };
    let settled = Settled { key: MessageKey(1), place, first_ns: 1 };
    let (done, answer) = oneshot::channel();
    let told = Told::Settle(vec![settled]);
    lanes.tell(FRONT, told, Box::new(move |answer| drop(done.send(answer))));
    answer
}

async fn in_time<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.expect("it comes")
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}

#[test]
fn an_answer_to_nothing_breaks_the_stream() {
    run(async {
        let hello = wire::hello();
        let answer = Bytes::from_static(&[1]);
        for messages in [[hello.clone(), answer].to_vec(), [hello.clone(), Bytes::new()].to_vec()] {
            let lanes = lanes_to(says(&messages).await);
            let broken = async {
                while lanes.status()[0].broken < 2 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            in_time(broken).await;
        }
    });
}

#[test]
fn an_answer_of_another_length_is_none() {
    run(async {
        // It may come before the batch or behind it: it fits neither.
        let lanes = lanes_to(says(&[wire::hello(), Bytes::from_static(&[1])]).await);
        let answer = settle(&lanes);
        let sent = async {
            while lanes.status()[0].batches == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        in_time(sent).await;
        assert_eq!(in_time(answer).await, Ok(None));
    });
}

#[test]
fn a_process_of_another_version_or_none_of_ours_is_told_nothing() {
    run(async {
        let loud = Bytes::from(vec![0; 1 << 20]);
        for hello in [Bytes::from_static(b"OIMD\x02\x00"), Bytes::new(), loud] {
            let lanes = lanes_to(says(&[hello]).await);
            let answer = settle(&lanes);
            // Several tries, none of which makes a stream.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let status = &lanes.status()[0];
            assert_eq!((status.connected, status.batches, status.waiting), (false, 0, 1));
            lanes.gateways(&[]);
            assert_eq!(in_time(answer).await, Ok(None));
        }
    });
}

#[test]
fn a_lane_stays_with_its_address_and_is_another_with_another() {
    run(async {
        let addresses = [says(&[]).await, says(&[]).await].map(|address| address.to_string());
        let lanes = Lanes::new(Handle::current(), LaneOptions::default());
        lanes.gateways(&[(FRONT, addresses[0].clone())]);
        let first = settle(&lanes);
        lanes.gateways(&[(FRONT, addresses[0].clone()), (Process([2; 16]), addresses[1].clone())]);
        assert_eq!(lanes.status().len(), 2);
        assert_eq!(lanes.status()[0].waiting, 1, "who stays loses nothing");
        lanes.gateways(&[(FRONT, addresses[1].clone())]);
        assert_eq!(in_time(first).await, Ok(None));
        let status = lanes.status();
        let there: Vec<_> = status.iter().map(|lane| (lane.process, &lane.address)).collect();
        assert_eq!(there, [(FRONT.base(), &addresses[1])]);
    });
}
