//! The thread against a producer that answers when a test says so.

use std::sync::{Mutex, PoisonError};

use openim_bus::{Capacity, Receiver, ring};
use openim_record::{Addresses, Message, MessageKey, Placement, SESSION_GROUP, Topic};

use super::*;

/// What the test and the producer on its thread share.
#[derive(Default)]
struct World {
    /// Records on their way, oldest first, and how many were taken so far.
    taken: Vec<(u64, LogPartition, Vec<u8>)>,
    tickets: u64,
    /// What the next polls tell.
    answers: Vec<(u64, Result<Appended, StoreError>)>,
    full: bool,
    /// Refuses all that is handed in.
    closed: bool,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

impl Fake {
    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many records were taken.
    fn until_taken(&self, count: u64) {
        until(|| self.with(|world| world.tickets) >= count);
    }

    /// The oldest record that is on its way lies at a position, since that many seconds; or it is given up.
    fn answer(&self, at: Option<u64>) {
        let appended = |at| Appended { position: Position(at), append_ms: 1000 * at as i64 };
        self.tell(at.map(appended).ok_or_else(away));
    }

    /// What became of the oldest record that is on its way.
    fn tell(&self, became: Result<Appended, StoreError>) {
        self.with(|world| {
            let (ticket, ..) = world.taken.remove(0);
            world.answers.push((ticket, became));
        });
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { what: "producing".to_owned(), cause: "no broker".into() }
}

impl Topics for Fake {
    fn has_room(&self) -> bool {
        self.with(|world| !world.full)
    }

    fn submit(&mut self, to: LogPartition, record: &[u8]) -> Result<u64, StoreError> {
        self.with(|world| {
            if world.closed {
                return Err(away());
            }
            world.tickets += 1;
            world.taken.push((world.tickets, to, record.to_vec()));
            Ok(world.tickets)
        })
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(u64, Result<Appended, StoreError>)) {
        let answers = self.with(|world| std::mem::take(&mut world.answers));
        if answers.is_empty() {
            std::thread::sleep(wait);
        }
        for (ticket, became) in answers {
            each(ticket, became);
        }
    }
}

/// One shard's ends.
struct Shard {
    appends: Sender<Submission>,
    events: Receiver<LogEvent>,
}

struct Scene {
    fake: Fake,
    shards: Vec<Shard>,
    status: Arc<LogStatus>,
    bell: Arc<Doorbell>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Scene {
    /// With rings back of so many places.
    fn new(shards: usize, events_max: usize) -> Self {
        let bell = || Arc::new(Doorbell::new().expect("a bell"));
        let (own, status, fake) = (bell(), Arc::new(LogStatus::default()), Fake::default());
        let (mut lanes, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..shards {
            let to = Capacity { values: 16, bytes: 1 << 20, weigh: Submission::bytes };
            let from = Capacity { values: events_max, bytes: 1 << 20, weigh: LogEvent::bytes };
            let of_shard = bell();
            let (appends, in_appends) = ring(to, Arc::clone(&of_shard), Arc::clone(&own));
            let (out_events, events) = ring(from, Arc::clone(&own), of_shard);
            lanes.push(Lane { appends: in_appends, events: out_events });
            ends.push(Shard { appends, events });
        }
        let of_thread = (fake.clone(), Arc::clone(&own), Arc::clone(&status));
        let thread = std::thread::spawn(move || {
            let (fake, own, status) = of_thread;
            run(fake, lanes, &own, &status);
        });
        Self { fake, shards: ends, status, bell: own, thread: Some(thread) }
    }

    /// The first one is given up, and the second one tried.
    fn try_second(&mut self) {
        self.hand_in(0, 1, 1);
        self.fake.until_taken(1);
        self.fake.answer(None);
        assert_eq!(self.event(0), (false, 0, 1));
        self.hand_in(0, 2, 1);
        self.fake.until_taken(2);
    }

    fn hand_in(&mut self, shard: usize, n: u8, session_type: i32) {
        let message = Message { send_id: "alice", recv_id: "bob", session_type, ..Message::BLANK };
        let to = Addresses::of(&message, Placement::new(256));
        let (key, record) = (MessageKey(n.into()), vec![n; 10].into());
        let submission = Submission { key, to, record, lists: Box::default() };
        let appends = &mut self.shards[shard].appends;
        assert!(appends.try_send(submission).is_ok(), "there is room");
        appends.notify();
    }

    /// The next event of a shard: whether it landed, at which position, and of which number it is.
    fn event(&mut self, shard: usize) -> (bool, u64, u8) {
        let events = &mut self.shards[shard].events;
        until(|| !events.is_empty());
        let event = events.try_recv().expect("it is there");
        events.made_room();
        match event {
            LogEvent::Landed(of) => {
                assert_eq!(of.append_ms, 1000 * of.position.0 as i64);
                (true, of.position.0, of.record[0])
            }
            LogEvent::Refused(MessageKey(n)) => (false, 0, n as u8),
            LogEvent::Committed(_) | LogEvent::Told(_) | LogEvent::Milestone(_) => {
                panic!("who handed it in is told")
            }
        }
    }

    fn end(&mut self) {
        self.status.stop.store(true, Ordering::Release);
        self.bell.ring();
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("it ends well");
    }
}

fn until(mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < until, "it never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn records_go_out_before_others_are_answered_and_each_shard_gets_its_own_answers() {
    let mut scene = Scene::new(2, 16);
    for n in 1..=3 {
        scene.hand_in(0, n, 1);
        scene.fake.until_taken(n.into());
    }
    scene.hand_in(1, 4, SESSION_GROUP);
    scene.fake.until_taken(4);
    let at = |topic, number| LogPartition { topic, partition: openim_record::PartitionId(number) };
    let taken = scene.fake.with(|world| world.taken.clone());
    let places: Vec<_> = taken.iter().map(|(_, to, record)| (*to, record[0])).collect();
    let (chat, group) = (at(Topic::Chat, 237), at(Topic::Group, 188));
    assert_eq!(places, [(chat, 1), (chat, 2), (chat, 3), (group, 4)]);
    // In another order than they went out: partitions know nothing of each other.
    scene.fake.with(|world| world.taken.rotate_right(1));
    for at in [9, 5, 6, 7] {
        scene.fake.answer(Some(at));
    }
    assert_eq!(scene.event(1), (true, 9, 4));
    assert_eq!([(); 3].map(|()| scene.event(0)), [(true, 5, 1), (true, 6, 2), (true, 7, 3)]);
    assert_eq!(scene.status.records.load(Ordering::Relaxed), 4);
    scene.end();
}

#[test]
fn while_nobody_answers_one_is_tried_and_others_are_refused_at_once() {
    let mut scene = Scene::new(2, 16);
    scene.try_second();
    for n in 3..6 {
        scene.hand_in(1, n, 1);
        assert_eq!(scene.event(1), (false, 0, n), "the other shard's is under way");
    }
    // Behind the one that is tried its own shard's wait for its answer.
    scene.hand_in(0, 6, 1);
    scene.fake.answer(Some(7));
    assert_eq!(scene.event(0), (true, 7, 2));
    scene.fake.until_taken(3);
    scene.hand_in(1, 7, 1);
    scene.fake.until_taken(4);
    scene.fake.answer(Some(8));
    scene.fake.answer(Some(9));
    assert_eq!(scene.event(0), (true, 8, 6));
    assert_eq!(scene.event(1), (true, 9, 7));
    assert_eq!(scene.status.refused.load(Ordering::Relaxed), 4);
    scene.end();
}

#[test]
fn after_one_that_is_refused_for_what_it_is_the_next_one_is_tried() {
    let mut scene = Scene::new(1, 16);
    scene.try_second();
    let (what, cause) = ("producing".to_owned(), "too long".into());
    scene.fake.tell(Err(StoreError::Rejected { what, cause }));
    assert_eq!(scene.event(0), (false, 0, 2));
    scene.hand_in(0, 3, 1);
    scene.fake.until_taken(3);
    scene.fake.answer(Some(7));
    assert_eq!(scene.event(0), (true, 7, 3));
    scene.end();
}

/// Nor does whoever sends such again and again have more than one line of the log.
#[test]
fn what_is_refused_for_what_it_is_is_no_trouble_of_the_topics() {
    let mut scene = Scene::new(1, 16);
    for n in 1..=3 {
        scene.hand_in(0, 2 * n - 1, 1);
        scene.fake.until_taken(u64::from(2 * n - 1));
        let (what, cause) = ("producing".to_owned(), "too long".into());
        scene.fake.tell(Err(StoreError::Rejected { what, cause }));
        assert_eq!(scene.event(0), (false, 0, 2 * n - 1));
        assert_eq!(scene.status.trouble.why(), None);
        scene.hand_in(0, 2 * n, 1);
        scene.fake.until_taken(u64::from(2 * n));
        scene.fake.answer(Some(n.into()));
        assert_eq!(scene.event(0), (true, n.into(), 2 * n));
    }
    assert_eq!(scene.status.refused.load(Ordering::Relaxed), 3);
    assert!(!scene.status.unfit.met(&"told already"));
    scene.end();
}

#[test]
fn what_is_refused_is_told_and_counted_until_the_next_one_lands() {
    let mut scene = Scene::new(1, 16);
    scene.hand_in(0, 1, 1);
    scene.hand_in(0, 2, 1);
    scene.fake.until_taken(2);
    scene.fake.answer(None);
    assert_eq!(scene.event(0), (false, 0, 1));
    assert_eq!(scene.status.trouble.why().as_deref(), Some("producing: no broker"));
    scene.fake.answer(Some(3));
    assert_eq!(scene.event(0), (true, 3, 2));
    assert_eq!(scene.status.trouble.why(), None);
    scene.fake.with(|world| world.closed = true);
    scene.hand_in(0, 3, 1);
    assert_eq!(scene.event(0), (false, 0, 3));
    assert_eq!(scene.status.refused.load(Ordering::Relaxed), 2);
    // Nothing is under way, and the producer says that all is well.
    until(|| scene.status.trouble.why().is_none());
    scene.end();
}

#[test]
fn nothing_is_taken_whose_answer_has_no_place() {
    let mut scene = Scene::new(2, 2);
    for n in 1..=4 {
        scene.hand_in(0, n, 1);
    }
    scene.fake.until_taken(2);
    // Others go on, and have been looked at later.
    scene.hand_in(1, 9, 1);
    scene.fake.until_taken(3);
    assert_eq!(scene.fake.with(|world| world.tickets), 3);
    scene.fake.answer(Some(1));
    scene.fake.answer(Some(2));
    until(|| scene.shards[0].events.len() == 2);
    assert_eq!(scene.fake.with(|world| world.tickets), 3, "the ring is full");
    assert_eq!(scene.event(0), (true, 1, 1));
    scene.fake.until_taken(4);
    assert_eq!(scene.event(0), (true, 2, 2));
    scene.fake.until_taken(5);
    for at in [3, 4, 5] {
        scene.fake.answer(Some(at));
    }
    assert_eq!([(); 2].map(|()| scene.event(0)), [(true, 4, 3), (true, 5, 4)]);
    assert_eq!(scene.event(1), (true, 3, 9));
    scene.end();
}

#[test]
fn a_producer_without_room_is_waited_for() {
    let mut scene = Scene::new(1, 16);
    scene.fake.with(|world| world.full = true);
    scene.hand_in(0, 1, 1);
    scene.bell.ring();
    assert_eq!(scene.fake.with(|world| world.tickets), 0);
    scene.fake.with(|world| world.full = false);
    scene.fake.until_taken(1);
    scene.fake.answer(Some(1));
    assert_eq!(scene.event(0), (true, 1, 1));
    scene.end();
}

#[test]
fn a_stop_waits_for_what_is_under_way() {
    let mut scene = Scene::new(1, 16);
    scene.hand_in(0, 1, 1);
    scene.fake.until_taken(1);
    scene.status.stop.store(true, Ordering::Release);
    scene.fake.answer(Some(1));
    scene.end();
    assert_eq!(scene.event(0), (true, 1, 1));
}
