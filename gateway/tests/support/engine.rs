//! Which engine the servers of a run have: the embedded one, or with `OPENIM_TEST_ENGINE=cluster` the cluster on the real
//! components that `OPENIM_TEST_{KAFKA,MONGODB,MYSQL,REDIS,ETCD}` name. A test has one body for both.
//!
//! On a cluster the inbox of another user has a message some time after its sender has the answer, so whoever asks what
//! an inbox has waits until what was sent has come to rest.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::link::Ack;
use super::server::Server;
use super::{PATIENCE, http};

/// Whether servers are of a cluster.
pub(crate) fn on_cluster() -> bool {
    match std::env::var("OPENIM_TEST_ENGINE").as_deref() {
        Ok("cluster") => true,
        Ok("embedded" | "") | Err(_) => false,
        Ok(other) => panic!("OPENIM_TEST_ENGINE is {other:?}: embedded or cluster"),
    }
}

/// Whether the test is over before it began, which is said, because it is about something that a cluster has not.
pub(crate) fn embedded_only(why: &str) -> bool {
    let skipped = on_cluster();
    if skipped {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        // Past what is kept of the output of tests that pass.
        let line = format!("!!! SKIPPED on the cluster: {test}: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
    }
    skipped
}

/// Partitions of a topic of such a cluster: as many as most tests have shards at most, and few enough that hundreds of clusters can
/// come and go.
pub(crate) const PARTITIONS: f64 = 5.0;
/// How often a server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(70);
/// How long it may take until nothing moves: tests go on all the same then, and fail for what is missing.
const REST_MAX: Duration = Duration::from_secs(20);
/// Looks in a row that must be equal.
const STILL: usize = 7;

/// A server of a cluster that was started.
struct Place {
    websocket: SocketAddr,
    rest: SocketAddr,
    operator: SocketAddr,
    /// Whether something was sent since all was found at rest.
    sent: bool,
}

/// All that were started, the newest last: a port may be given again.
static PLACES: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// Does something with the server that answers there, if it is of a cluster.
fn with<T>(at: SocketAddr, act: impl FnOnce(&mut Place) -> T) -> Option<T> {
    let mut places = PLACES.lock().expect("nobody panics with it");
    let place = places.iter_mut().rev().find(|place| [place.websocket, place.rest].contains(&at));
    place.map(act)
}

/// Something was sent there that may change inboxes.
pub(crate) fn sent(to: SocketAddr) {
    with(to, |place| place.sent = true);
}

/// Only a question was asked there.
pub(crate) fn asked(to: SocketAddr) {
    with(to, |place| place.sent = false);
}

/// Waits, on a cluster, until the server owns its partitions and reaches its fronts.
pub(crate) fn until_shared_out(addresses: [SocketAddr; 3], partitions: f64) {
    let [websocket, rest, operator] = addresses;
    // The life before this one may have left records that are not in the inboxes yet.
    let place = Place { websocket, rest, operator, sent: true };
    PLACES.lock().expect("nobody panics with it").push(place);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = metrics(operator);
        let figure = |name: &str| figure(&metrics, name);
        let lanes = figure("openim_lanes_connected");
        if figure("openim_transfer_partitions") == partitions
            && figure("openim_transfer_partitions_loading") == 0.0
            && lanes >= 1.0
            && figure("openim_shards_unmarked") == 0.0
        {
            return;
        }
        assert!(Instant::now() < deadline, "the partitions are not shared out: {metrics}");
        thread::sleep(LOOK_EVERY);
    }
}

impl Server {
    /// Waits, on a cluster, until what was sent to others has reached them, or nobody.
    pub(crate) fn at_rest(&self) {
        at_rest(self.ws());
    }
}

/// Waits, on a cluster, until what was sent to the server there has reached every inbox.
pub(crate) fn at_rest(at: SocketAddr) {
    let Some(Some(operator)) = with(at, |place| place.sent.then_some(place.operator)) else {
        return;
    };
    let deadline = Instant::now() + REST_MAX;
    let (mut last, mut still) = ([0.0; 4], 0);
    while still < STILL && Instant::now() < deadline {
        let metrics = metrics(operator);
        let moved = ["records_total", "relays_total", "stores_total", "deliveries_total"];
        let now = moved.map(|name| figure(&metrics, &format!("openim_transfer_{name}")));
        let behind = ["behind_seconds", "relays_waiting"];
        let behind = behind.map(|name| figure(&metrics, &format!("openim_transfer_{name}")));
        still = if now == last && behind == [0.0; 2] { still + 1 } else { 0 };
        last = now;
        thread::sleep(LOOK_EVERY);
    }
    asked(at);
}

fn metrics(operator: SocketAddr) -> String {
    http::call(operator, "GET", "/metrics", &[], b"").text()
}

fn figure(metrics: &str, name: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
}

/// Checks that a repeated send got the receipt of the first. On a cluster a gateway that does not know the first any
/// more gives the time when the repeat came into the log; inboxes have the time of the first all the same.
#[track_caller]
pub(crate) fn assert_same_receipts(again: &[Ack], first: &[Ack]) {
    let timeless = |ack: &Ack| Ack { send_time: 0, ..ack.clone() };
    let timeless = |acks: &[Ack]| acks.iter().map(timeless).collect::<Vec<_>>();
    match on_cluster() {
        true => assert_eq!(timeless(again), timeless(first)),
        false => assert_eq!(again, first),
    }
}
