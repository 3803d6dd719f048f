//! Changes and messages are one batch with one flush; who waits for a change is told what became of it, also when the log
//! has ended.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Receiver;
use openim_bus::{Capacity, Doorbell, Receiver as Ring, Sender, ring};
use openim_record::{
    Addresses, GroupId, GroupStep, MemberChange, MemberList, Members, MembersWriter, Message,
    MessageKey, PartitionId, Placement, Position, RowsWriter, Submission, Told, UserId,
};
use openim_storage::embedded::HandIn as _;
use openim_storage::port::{Handed, Outcome, Produce, Spot, StoreError};
use openim_workers::Clock;
use openim_workers::changes::{Change, ChangesTo, to_log};
use openim_workers::commit::{self, BatchLimits, Lane, LogEvent, LogStatus, ToldHere};

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

/// An empty lane, of `values` events of its own, with the ends that its shard has.
fn lane(bell: &Arc<Doorbell>, values: usize) -> (Lane, Sender<Submission>, Ring<LogEvent>) {
    let own = Arc::new(Doorbell::new().expect("a bell"));
    let to_log = Capacity { values: 8, bytes: 1 << 20, weigh: Submission::bytes };
    let (send, appends) = ring(to_log, Arc::clone(&own), Arc::clone(bell));
    let from_log = Capacity { values, bytes: 1 << 20, weigh: LogEvent::bytes };
    let (out, told) = ring(from_log, Arc::clone(bell), own);
    (Lane { appends, events: out }, send, told)
}

/// A message between these, and its record.
fn message(send_id: &str, recv_id: &str, session_type: i32) -> (Submission, Vec<u8>) {
    let key = MessageKey::new(send_id, session_type, recv_id, "m");
    let message = Message { key, session_type, send_id, recv_id, ..Message::BLANK };
    let mut record = Vec::new();
    message.encode(&mut record);
    let to = Addresses::of(&message, Placement::new(4));
    let submission = Submission { key, to, record: record.clone().into(), lists: Box::default() };
    (submission, record)
}

/// A lane with one message in it, and where its shard is told what became of that.
fn lane_with_a_message(bell: &Arc<Doorbell>) -> (Lane, Ring<LogEvent>, Vec<u8>) {
    let (lane, mut send, told) = lane(bell, 8);
    let (submission, record) = message("a", "b", 1);
    assert!(send.try_send(submission).is_ok());
    (lane, told, record)
}

#[test]
fn one_batch_has_changes_and_messages() {
    let world = World::new();
    let (lane, mut told, message) = lane_with_a_message(&world.bell);
    std::thread::scope(|scope| {
        let durable = Arc::<AtomicU64>::default();
        let (to_log, noted) = (&world.to_log, Arc::clone(&durable));
        let handed = scope.spawn(move || to_log.hand_in(change(b"k"), Vec::new(), &noted));
        while world.taken.is_empty() {
            std::thread::yield_now();
        }
        let writer = scope.spawn(|| world.write(vec![lane], Vec::new()));
        let position = handed.join().expect("it is answered").expect("it landed");
        assert_eq!(position, Position(100));
        assert_eq!(
            durable.load(Ordering::Acquire),
            0,
            "nobody was told, so nobody waits to see it"
        );
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
        let refused =
            world.to_log.hand_in(change(b"a"), Vec::new(), &Arc::default()).expect_err("refused");
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        world.to_log.hand_in(change(b"b"), Vec::new(), &Arc::default()).expect("taken");
        world.stop();
    });
    assert_eq!(world.status.refused.load(Ordering::Relaxed), 1);
    assert_eq!(world.status.appends.up_to().1, 1, "what is refused is no append");
}

#[test]
fn a_message_is_refused_while_too_much_waits_to_be_stored() {
    let world = World::new();
    let (lane, mut told, _) = lane_with_a_message(&world.bell);
    world.status.backlog.fills(true);
    world.stop();
    world.write(vec![lane], Vec::new());
    assert!(matches!(told.try_recv(), Some(LogEvent::Refused(_))), "the shard is told");
    let why = world.status.trouble.why();
    assert!(why.is_some_and(|why| why.contains("inboxes cannot be stored")));
    assert_eq!(world.status.appends.up_to().1, 0, "nothing was appended");
    let (lane, mut told, _) = lane_with_a_message(&world.bell);
    world.status.backlog.fills(false);
    world.write(vec![lane], Vec::new());
    assert!(matches!(told.try_recv(), Some(LogEvent::Landed(_))), "it is taken");
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
            let refused = to_log
                .hand_in(change(b"a"), Vec::new(), &Arc::default())
                .expect_err("there is no log");
            assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
        }
    });
    assert!(status.poisoned.load(Ordering::Acquire));
}

/// Uids whose homes, of two, are one and the other.
fn of_both() -> [String; 2] {
    let placement = Placement::new(4);
    let of = |shard| (0..).map(|n| format!("u{n}")).find(|uid| placement.home(uid, 2) == shard);
    [0, 1].map(|shard| of(shard).expect("one in two"))
}

#[test]
fn what_tells_of_a_change_lies_behind_it_and_each_owner_is_told_once() {
    let world = World::new();
    let [one, other] = of_both();
    let (single, tip) = message(&one, &other, 1);
    let (mut to_group, group_tip) = message(&one, &one, 2);
    let partition = Placement::new(4).partition(&other);
    let mut list = MembersWriter::new();
    list.push(partition, &other, false);
    let weight = list.weight();
    let mut list = list.finish();
    Members::set_key(&mut list, to_group.key);
    to_group.lists = [MemberList { partition, members: 1, weight, list: list.clone() }].into();
    let members = vec![MemberChange::Left(UserId::new("x"))];
    let step = GroupStep { group: GroupId::new(&one), version: 3, members };
    let told = vec![
        Told { messages: vec![single], change: None },
        Told { messages: vec![to_group], change: Some(step.clone()) },
    ];
    let durable = Arc::<AtomicU64>::default();
    let ((first, _, one_told), (second, _, other_told)) =
        (lane(&world.bell, 8), lane(&world.bell, 8));
    std::thread::scope(|scope| {
        let handed = scope.spawn(|| world.to_log.hand_in(change(b"k"), told, &durable));
        let writer = scope.spawn(|| world.write(vec![first, second], Vec::new()));
        assert_eq!(handed.join().expect("answered").expect("it landed"), Position(100));
        world.stop();
        writer.join().expect("it ends");
    });
    assert_eq!(durable.load(Ordering::Acquire), 100);
    assert_eq!(world.status.head.load(Ordering::Acquire), 104);
    let batches = world.batches.lock().expect("no test panics with it");
    assert_eq!(*batches, [vec![change(b"k"), tip, group_tip, list.to_vec()]]);
    // Each gets one event: of what is for it, in the order of the log.
    let positions = |told: &[ToldHere]| -> Vec<u64> {
        told.iter().flat_map(|told| &told.records).map(|record| record.position.0).collect()
    };
    for (shard, mut ring) in [one_told, other_told].into_iter().enumerate() {
        let Some(LogEvent::Told(told)) = ring.try_recv() else { panic!("{shard} is told") };
        assert_eq!(positions(&told), [101, 102], "{shard}");
        let steps: Vec<_> = told.iter().map(|told| told.change.clone()).collect();
        let expected = if shard == 0 { Some(step.clone()) } else { None };
        assert_eq!(steps, [None, expected], "the group's home sees the change");
        let group = &told[1].records[0];
        assert_eq!(group.members.len(), shard, "the member's home gets the list");
        assert_eq!(group.to.iter().count(), 1 - shard, "the group's home gets the message");
        assert!(ring.try_recv().is_none(), "{shard}");
    }
}

#[test]
fn a_change_waits_until_those_who_are_told_have_room_and_messages_do_not() {
    let world = World::new();
    let [one, other] = of_both();
    let (first, mut send, _first_told) = lane(&world.bell, 8);
    let (mut second, _send, mut told) = lane(&world.bell, 1);
    assert!(second.events.try_send(LogEvent::Refused(MessageKey(0))).is_ok(), "it is full now");
    let (tip, _) = message(&one, &other, 1);
    let told_of = vec![Told { messages: vec![tip], change: None }];
    let durable = Arc::<AtomicU64>::default();
    std::thread::scope(|scope| {
        let handed = scope.spawn(|| world.to_log.hand_in(change(b"k"), told_of, &durable));
        while world.taken.is_empty() {
            std::thread::yield_now();
        }
        let writer = scope.spawn(|| world.write(vec![first, second], Vec::new()));
        let (oneself, record) = message(&one, &one, 1);
        assert!(send.try_send(oneself).is_ok());
        send.notify();
        while world.batches.lock().expect("no test panics with it").is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(*world.batches.lock().expect("no test panics with it"), [vec![record]]);
        assert!(matches!(told.try_recv(), Some(LogEvent::Refused(_))));
        told.made_room();
        handed.join().expect("answered").expect("it landed");
        world.stop();
        writer.join().expect("it ends");
    });
    assert!(matches!(told.try_recv(), Some(LogEvent::Told(_))));
}

/// A change whose tips need all of a ring lands, though messages for the same shard do not end before it does.
#[test]
fn a_large_change_lands_however_many_messages_come() {
    const MESSAGES_MAX: u64 = 20_000;
    let world = World::new();
    let [uid, _] = of_both();
    let (lane, mut send, mut told) = lane(&world.bell, 4);
    // More than fits beside anything else.
    let (mut tip, _) = message(&uid, &uid, 1);
    tip.record = vec![tip.record[0]; 2 << 20].into();
    let told_of = vec![Told { messages: vec![tip], change: None }];
    let durable = Arc::<AtomicU64>::default();
    let is_stopped = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let writer = scope.spawn(|| world.write(vec![lane], Vec::new()));
        let shard = scope.spawn(|| {
            let mut sent = 0;
            while !is_stopped.load(Ordering::Acquire) {
                let is_more = sent < MESSAGES_MAX;
                let is_sent = is_more && send.try_send(message(&uid, &uid, 1).0).is_ok();
                if is_sent {
                    send.notify();
                    sent += 1;
                }
                // It is never done with all that it is told while there is more.
                let is_last = !is_sent && told.len() == 1 && {
                    std::thread::sleep(Duration::from_millis(50));
                    told.len() == 1
                };
                if told.len() > 1 || is_last {
                    told.try_recv();
                    told.made_room();
                }
            }
            while send.bytes() > 0 {
                told.try_recv();
                told.made_room();
                std::thread::yield_now();
            }
            sent
        });
        // It is at work when the change comes.
        while world.batches.lock().expect("no test panics with it").len() < 20 {
            std::thread::yield_now();
        }
        world.to_log.hand_in(change(b"k"), told_of, &durable).expect("it landed");
        is_stopped.store(true, Ordering::Release);
        let sent = shard.join().expect("it ends");
        world.stop();
        writer.join().expect("it ends");
        sent
    });
    assert!(sent < MESSAGES_MAX, "it landed behind all of them");
    assert!(durable.load(Ordering::Acquire) > 0);
}
