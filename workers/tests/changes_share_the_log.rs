//! Changes and messages are one batch with one flush; who waits for a change is told what became of it, also when the log
//! has ended.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Receiver;
use openim_bus::{Capacity, Doorbell, Receiver as Ring, ring};
use openim_record::{
    Addresses, Message, MessageKey, PartitionId, Placement, Position, RowsWriter, Submission,
};
use openim_storage::embedded::HandIn as _;
use openim_storage::port::{Handed, Outcome, Produce, Spot, StoreError};
use openim_workers::Clock;
use openim_workers::changes::{Change, ChangesTo, to_log};
use openim_workers::commit::{self, BatchLimits, Lane, LogEvent, LogStatus};

const LIMITS: BatchLimits = BatchLimits { records_max: 100, bytes_max: 1 << 20 };

type Batches = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// Tickets, and where they lie or why nowhere.
type Landed = (Range<u64>, Result<Vec<Position>, StoreError>);

/// A log in memory: what it answers to each batch, and the batches.
struct Log {
    answers: Vec<Result<(), StoreError>>,
    batches: Batches,
    landed: Option<Landed>,
    next: u64,
}

impl Produce for Log {
    fn submit(&mut self, records: &[Handed<'_>], _: i64) -> Range<u64> {
        let tickets = self.next..self.next + records.len() as u64;
        self.next = tickets.end;
        let answer = if self.answers.is_empty() { Ok(()) } else { self.answers.remove(0) };
        let positions = answer.map(|()| tickets.clone().map(|ticket| Position(100 + ticket)));
        self.landed = Some((tickets.clone(), positions.map(Iterator::collect)));
        let batch = records.iter().map(|handed| handed.record.to_vec()).collect();
        self.batches.lock().expect("no test panics with it").push(batch);
        tickets
    }

    fn poll(&mut self, _: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        match self.landed.take().expect("a batch was submitted") {
            (tickets, Ok(positions)) => {
                each(Outcome::Landed { tickets, append_ms: 7, positions: &positions });
            }
            (tickets, Err(cause)) => each(Outcome::Refused { tickets, cause }),
        }
    }

    fn head(&self, _: PartitionId) -> Position {
        Position(100 + self.next)
    }
}

struct World {
    to_log: ChangesTo,
    taken: Receiver<Change>,
    bell: Arc<Doorbell>,
    status: Arc<LogStatus>,
    batches: Batches,
}

impl World {
    fn new() -> Self {
        let bell = Arc::new(Doorbell::new().expect("a bell"));
        let (to_log, taken) = to_log(&bell);
        let (status, batches) = (Arc::default(), Batches::default());
        Self { to_log, taken, bell, status, batches }
    }

    /// Runs the writer until it is told to stop or the log is poisoned.
    fn write(&self, lanes: Vec<Lane>, answers: Vec<Result<(), StoreError>>) {
        let batches = Arc::clone(&self.batches);
        let log = Box::new(Log { answers, batches, landed: None, next: 0 });
        let (clock, _watch) = Clock::new(Duration::from_secs(60), None, 0);
        let ways = (lanes, &self.taken);
        commit::run(log, ways, Placement::new(4), &self.bell, &self.status, &clock, LIMITS);
    }

    fn stop(&self) {
        self.status.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

fn change(key: &[u8]) -> Vec<u8> {
    let mut rows = RowsWriter::new();
    rows.push(1, key, Some(b"row"));
    rows.finish()
}

/// A lane with one message in it, and where its shard is told what became of that.
fn lane_with_a_message(bell: &Arc<Doorbell>) -> (Lane, Ring<LogEvent>, Vec<u8>) {
    let own = Arc::new(Doorbell::new().expect("a bell"));
    let of = |weigh| Capacity { values: 8, bytes: 1 << 20, weigh };
    let (mut send, appends) = ring(of(Submission::bytes), Arc::clone(&own), Arc::clone(bell));
    let weigh = LogEvent::bytes;
    let events = Capacity { values: 8, bytes: 1 << 20, weigh };
    let (out, told) = ring(events, Arc::clone(bell), own);
    let key = MessageKey::new("a", 1, "b", "m");
    let message = Message { key, session_type: 1, send_id: "a", recv_id: "b", ..Message::BLANK };
    let mut record = Vec::new();
    message.encode(&mut record);
    let to = Addresses::of(&message, Placement::new(4));
    let submission = Submission { key, to, record: record.clone().into(), lists: Box::default() };
    assert!(send.try_send(submission).is_ok());
    (Lane { appends, events: out }, told, record)
}

#[test]
fn one_batch_has_changes_and_messages() {
    let world = World::new();
    let (lane, mut told, message) = lane_with_a_message(&world.bell);
    std::thread::scope(|scope| {
        let handed = scope.spawn(|| world.to_log.hand_in(change(b"k")));
        while world.taken.is_empty() {
            std::thread::yield_now();
        }
        let writer = scope.spawn(|| world.write(vec![lane], Vec::new()));
        let position = handed.join().expect("it is answered").expect("it landed");
        assert_eq!(position, Position(100));
        world.stop();
        writer.join().expect("it ends");
    });
    let batches = world.batches.lock().expect("no test panics with it");
    assert_eq!(*batches, [vec![change(b"k"), message]]);
    let Some(LogEvent::Landed(landed)) = told.try_recv() else { panic!("the shard is told") };
    assert_eq!(landed.position, Position(101));
    assert_eq!(world.status.head.load(Ordering::Acquire), 102);
}

#[test]
fn a_refused_change_is_told_and_the_next_one_is_taken() {
    let world = World::new();
    let full = StoreError::Unavailable { what: "appending".to_owned(), cause: "full".into() };
    std::thread::scope(|scope| {
        scope.spawn(|| world.write(Vec::new(), vec![Err(full)]));
        let refused = world.to_log.hand_in(change(b"a")).expect_err("refused");
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        world.to_log.hand_in(change(b"b")).expect("taken");
        world.stop();
    });
    assert_eq!(world.status.refused.load(Ordering::Relaxed), 1);
}

#[test]
fn nobody_waits_for_a_log_that_has_ended() {
    let World { to_log, taken, bell, status, batches } = World::new();
    let unknown = StoreError::Corrupt {
        place: Spot::Engine("flushing".to_owned()),
        cause: "input/output error".into(),
    };
    let (clock, _watch) = Clock::new(Duration::from_secs(60), None, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The thread has its end of the way, which ends with it.
            let taken = taken;
            let answers = vec![Err(unknown)];
            let log = Box::new(Log { answers, batches, landed: None, next: 0 });
            let ways = (Vec::new(), &taken);
            commit::run(log, ways, Placement::new(4), &bell, &status, &clock, LIMITS);
        });
        for _ in 0..2 {
            let refused = to_log.hand_in(change(b"a")).expect_err("there is no log");
            assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
        }
    });
    assert!(status.poisoned.load(Ordering::Acquire));
}
