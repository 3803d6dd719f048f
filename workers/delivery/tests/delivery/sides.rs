//! The two sides: a gateway that notes what it is told, and a transfer's calls with their answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openim_delivery::{Fronts, LaneOptions, Lanes, ServeOptions, Told, serve};
use openim_record::{MessageKey, PartitionId, Place, Position, Process, Seq, Settled, UserId};
use openim_transfer::Delivery;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Longer than anything here takes on a machine that is busy; no test passes because of it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Waits for what has to come.
pub(crate) async fn must<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    must(what, looking).await;
}

/// The front with this number of a process.
pub(crate) fn front(process: u8, number: u16) -> Process {
    Process([process; 16]).front(number)
}

pub(crate) fn delivery(uid: &str, seq: u64, message: &Arc<[u8]>) -> Delivery {
    Delivery {
        uid: UserId::new(uid),
        seq: Seq(seq),
        sync: false,
        member: None,
        except_platform: 0,
        sent_ms: 1_700_000_000_000,
        message: Arc::clone(message),
    }
}

pub(crate) fn settled(position: u64) -> Settled {
    let place = Place { partition: PartitionId(3), position: Position(position) };
    Settled { key: MessageKey(position.into()), place, first_ns: 5 }
}

/// A delivery of a short message to the user of this number.
pub(crate) fn short(number: u64) -> Told {
    Told::Deliver(vec![delivery("user", number, &b"message"[..].into())])
}

/// The seqs of what was told.
pub(crate) fn seqs(told: &[Told]) -> Vec<u64> {
    let seqs = |told: &Told| -> Vec<u64> {
        match told {
            Told::Deliver(all) => all.iter().map(|delivery| delivery.seq.0).collect(),
            Told::Settle(all) => all.iter().map(|settled| settled.place.position.0).collect(),
        }
    };
    told.iter().flat_map(seqs).collect()
}

/// The fronts of a gateway: they note what they are told, and answer a seq with its lowest byte. Each call takes a
/// permit, of which there are plenty unless a test takes them away.
pub(crate) struct Noted {
    told: Mutex<HashMap<Process, Vec<Told>>>,
    process: Process,
    pub(crate) calls: Semaphore,
    /// Rings at the beginning of a call.
    begun: Option<mpsc::UnboundedSender<()>>,
}

impl Noted {
    pub(crate) fn of(process: u8) -> Arc<Self> {
        let calls = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { told: Mutex::default(), process: front(process, 0), calls, begun: None })
    }

    /// One that answers nothing before it is given permits; and what rings when a call begins.
    pub(crate) fn stalled(process: u8) -> (Arc<Self>, mpsc::UnboundedReceiver<()>) {
        let (begun, begins) = mpsc::unbounded_channel();
        let (told, calls) = (Mutex::default(), Semaphore::new(0));
        let process = front(process, 0);
        (Arc::new(Self { told, process, calls, begun: Some(begun) }), begins)
    }

    pub(crate) async fn told(&self, front: Process) -> Vec<Told> {
        self.told.lock().await.get(&front).cloned().unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl Fronts for Noted {
    async fn tell(&self, front: Process, told: Told) -> Vec<u8> {
        if let Some(begun) = &self.begun {
            begun.send(()).ok();
        }
        self.calls.acquire().await.expect("it stays open").forget();
        if front.base() != self.process {
            return Vec::new();
        }
        let answer = match &told {
            Told::Deliver(all) => all.iter().map(|delivery| delivery.seq.0 as u8).collect(),
            Told::Settle(_) => Vec::new(),
        };
        self.told.lock().await.entry(front).or_default().push(told);
        answer
    }
}

/// A gateway that runs until this is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gateway {
    pub(crate) async fn start(fronts: Arc<dyn Fronts>, options: ServeOptions) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::at(any, fronts, options).await
    }

    /// On a port that another has had, perhaps.
    pub(crate) async fn at(
        address: SocketAddr,
        fronts: Arc<dyn Fronts>,
        options: ServeOptions,
    ) -> Self {
        let bound = async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let listener = must("the port", bound).await;
        let address = listener.local_addr().expect("an address");
        let never = std::future::pending();
        let task = tokio::spawn(async move { drop(serve(listener, fronts, options, never).await) });
        Self { address, task }
    }

    /// Ends as a killed process does: without a word, its sockets closed.
    pub(crate) async fn kill(self) -> SocketAddr {
        let address = self.address;
        self.task.abort();
        must("the end of a gateway", self.wait()).await;
        address
    }

    async fn wait(mut self) {
        (&mut self.task).await.ok();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections, and never says a word.
pub(crate) fn silent() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Options under which nothing is late however busy the machine is.
pub(crate) fn patient() -> LaneOptions {
    LaneOptions {
        answer_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        keep_alive: PATIENCE,
        keep_alive_timeout: PATIENCE,
        pause_max: Duration::from_millis(100),
        ..LaneOptions::default()
    }
}

pub(crate) fn lanes(options: LaneOptions) -> Lanes {
    Lanes::new(Handle::current(), options)
}

/// Lanes to these gateways.
pub(crate) fn to(gateways: &[(u8, SocketAddr)], options: LaneOptions) -> Lanes {
    let lanes = lanes(options);
    let member = |&(process, address): &(u8, SocketAddr)| (front(process, 0), address.to_string());
    lanes.gateways(&gateways.iter().map(member).collect::<Vec<_>>());
    lanes
}

/// An answer that comes.
pub(crate) struct Coming(oneshot::Receiver<Option<Vec<u8>>>);

impl Coming {
    /// The answer, which has to come.
    pub(crate) async fn answer(self) -> Option<Vec<u8>> {
        must("an answer", self.0).await.expect("it is called")
    }
}

pub(crate) fn tell(lanes: &Lanes, front: Process, told: Told) -> Coming {
    let (done, answer) = oneshot::channel();
    lanes.tell(front, told, Box::new(move |answer| done.send(answer).expect("somebody waits")));
    Coming(answer)
}
