//! A transfer's side: a lane to each process that is there.
//!
//! In: what owners tell fronts, and who is there. Out: what came of it, once for each. A lane is one task with one
//! stream; it waits for nobody but its own process, and holds no more than its options say.

mod connect;
mod counters;
mod lane;
mod ledger;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_record::Process;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::{Told, wire};
use counters::{Counters, Gone, Room};
use lane::{Call, Lane};
use ledger::Owed;

/// Takes what came of something told: of each delivery the platforms reached, a bit each; of settled sends nothing.
/// `None`: nobody knows, and nobody is reached as far as is known.
///
/// Called once, on any thread, perhaps before [`Lanes::tell`] comes back. It must neither wait nor call [`Lanes`].
pub type Done = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// Settings of all lanes.
#[derive(Clone)]
pub struct LaneOptions {
    /// What the processes of a cluster know of each other; empty: nothing.
    pub secret: String,
    /// Bytes that wait in one lane, about. A lane with nothing in it takes anything.
    pub waiting_bytes_max: usize,
    /// Calls that wait in one lane.
    pub waiting_max: usize,
    /// Bytes of one delivery; the other side has the same bound.
    pub message_bytes_max: usize,
    /// How long there may be no answer. An owner waits no longer (R8).
    pub answer_timeout: Duration,
    /// How long a connection may take, with the greetings.
    pub connect_timeout: Duration,
    /// A peer that does not answer is asked for a sign of life after so long ...
    pub keep_alive: Duration,
    /// ... and is dead after so much longer.
    pub keep_alive_timeout: Duration,
    /// The longest pause between two tries to connect.
    pub pause_max: Duration,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self {
            secret: String::new(),
            // What a gateway takes in within the time of an answer, and no gateway of many makes a transfer swell.
            waiting_bytes_max: 16 << 20,
            waiting_max: 16 << 10,
            message_bytes_max: 4 << 20,
            answer_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            keep_alive: Duration::from_secs(1),
            keep_alive_timeout: Duration::from_secs(2),
            pause_max: Duration::from_secs(2),
        }
    }
}

/// A lane as it is now, and what it has done since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The process, by its first front.
    pub process: Process,
    /// Where it listens, `host:port`.
    pub address: String,
    /// Whether its stream stands.
    pub connected: bool,
    /// Why it does not, once that was tried.
    pub why: Option<String>,
    /// Calls that wait to be sent.
    pub waiting: u64,
    /// Bytes of memory that these hold, about.
    pub waiting_bytes: u64,
    /// Batches that are sent and not answered.
    pub unanswered: u64,
    /// Batches sent.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Deliveries sent.
    pub deliveries: u64,
    /// Streams that stood and broke.
    pub broken: u64,
    /// Calls that found no room.
    pub refused: u64,
    /// Calls that had no answer in time.
    pub late: u64,
}

/// What all lanes that there ever were have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneTotals {
    /// Streams that stood and broke.
    pub broken: u64,
    /// Calls that found no room.
    pub refused: u64,
    /// Calls that had no answer in time.
    pub late: u64,
}

/// The lanes of a transfer. They end with the last copy.
#[derive(Clone)]
pub struct Lanes(Arc<Shared>);

struct Shared {
    runtime: Handle,
    options: Arc<LaneOptions>,
    /// Written when somebody comes or goes; read for a moment by each call.
    lanes: RwLock<HashMap<Process, Arc<Way>>>,
    gone: Gone,
}

/// The way into a lane. With it the lane ends.
struct Way {
    address: String,
    calls: mpsc::Sender<Call>,
    counters: Arc<Counters>,
    task: AbortHandle,
}

impl Drop for Way {
    fn drop(&mut self) {
        // All that is in the lane is dropped with its task, which answers it.
        self.task.abort();
    }
}

impl Lanes {
    /// No lanes yet; their tasks run on `runtime`, which has to have timers and sockets.
    #[must_use]
    pub fn new(runtime: Handle, options: LaneOptions) -> Self {
        let (options, lanes, gone) = (Arc::new(options), RwLock::default(), Gone::default());
        Self(Arc::new(Shared { runtime, options, lanes, gone }))
    }

    /// Who is there now, each with the id of its first front and `host:port`. Lanes of others end, and all that is in
    /// them. To be said before a front of somebody new is told anything.
    pub fn gateways(&self, members: &[(Process, String)]) {
        let mut members: HashMap<Process, &str> =
            members.iter().map(|(process, address)| (process.base(), address.as_str())).collect();
        let mut gone = Vec::new();
        let mut lanes = self.0.lanes.write();
        lanes.retain(|process, way| {
            let stays = members.get(process) == Some(&way.address.as_str());
            if stays {
                members.remove(process);
            } else {
                self.0.gone.take(&way.counters);
                gone.push(Arc::clone(way));
            }
            stays
        });
        for (process, address) in members {
            lanes.insert(process, Arc::new(self.open(address)));
        }
        drop(lanes);
        drop(gone);
    }

    /// Tells a front something, behind all that it was told before.
    pub fn tell(&self, front: Process, told: Told, done: Done) {
        let done = Owed::new(done);
        if told.len() == 0 {
            return done.answer(Some(Vec::new()));
        }
        let way = self.0.lanes.read().get(&front.base()).cloned();
        // Dropped, it says that there is no answer.
        let Some(way) = way else { return };
        let options = &*self.0.options;
        if wire::largest(&told) > options.message_bytes_max {
            tracing::warn!(address = %way.address, "a delivery is too large to be sent");
            return;
        }
        let Some(room) = Room::take(&way.counters, wire::cost(&told), options) else { return };
        let until = Instant::now() + options.answer_timeout;
        // There is a place for each that has room, so this fails only when the lane has ended.
        drop(way.calls.try_send(Call { front, told, until, done, room }));
    }

    /// All lanes, in the order of their processes' ids.
    #[must_use]
    pub fn status(&self) -> Vec<LaneStatus> {
        let lanes = self.0.lanes.read();
        let mut all: Vec<LaneStatus> = lanes
            .iter()
            .map(|(process, way)| way.counters.status(*process, &way.address))
            .collect();
        drop(lanes);
        all.sort_unstable_by_key(|status| status.process);
        all
    }

    /// Since the beginning, of lanes that have ended too.
    #[must_use]
    pub fn totals(&self) -> LaneTotals {
        let mut totals = self.0.gone.totals();
        for LaneStatus { broken, refused, late, .. } in self.status() {
            totals.broken += broken;
            totals.refused += refused;
            totals.late += late;
        }
        totals
    }

    fn open(&self, address: &str) -> Way {
        let options = &self.0.options;
        let counters = Arc::new(Counters::default());
        let (calls, called) = mpsc::channel(options.waiting_max.max(1));
        let lane = Lane::new(address, called, Arc::clone(&counters), Arc::clone(options));
        let task = self.0.runtime.spawn(lane.run()).abort_handle();
        Way { address: address.to_owned(), calls, counters, task }
    }
}

#[cfg(test)]
mod tests;
