//! An owner by hand: what it asks for, and in which order.

use openim_record::{
    GroupId, InboxBounds, Message, MessageKey, PartitionId, Process, Role, Settled, Source,
    Switches, Topic,
};

use super::*;
use crate::fit::{LogNow, Misfit};
use crate::record::{GroupChanged, Relayed, Sent, TopicRecord};
use crate::values::{Batch, Checkpoint, Content, Delivery, Sight};

/// Of three partitions: alice and bob live in `HERE`, carol elsewhere.
const PARTITIONS: u16 = 3;
const GATEWAY: Process = Process([9; 16]);

#[derive(Debug, PartialEq)]
enum Asked {
    Users(Vec<String>),
    Group(String),
    Relay(u16, Vec<String>),
    Stored(Vec<(String, u64)>),
    /// Of records that are settled, with the times of the first ones.
    Settle(Vec<(u64, i64)>),
    Look(Vec<String>),
    Delivery(Vec<(String, u64)>),
    Notice(String),
    /// Behind which, up to where, with so many keys.
    Checkpoint(Option<u64>, u64, usize),
    DeadLetter(u64),
    Alarm(Alarm),
}

#[derive(Debug, Default)]
struct World {
    life: Life,
    asked: Vec<Asked>,
    batch: Option<Batch>,
    stage: u64,
}

fn names(users: &[UserId]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}

impl Effects for World {
    fn load_partition(&mut self, life: Life) {
        self.life = life;
    }

    fn load_users(&mut self, _: Life, users: Vec<UserId>) {
        self.asked.push(Asked::Users(names(&users)));
    }

    fn load_group(&mut self, _: Life, group: &GroupId) {
        self.asked.push(Asked::Group(group.to_string()));
    }

    fn relay(&mut self, _: Life, to: PartitionId, record: Box<[u8]>) {
        let Ok(TopicRecord::Relay(relay)) = TopicRecord::decode(&record) else { panic!("a relay") };
        let mut members: Vec<String> =
            relay.members.iter().map(|(uid, _)| uid.to_owned()).collect();
        members.sort();
        self.asked.push(Asked::Relay(to.0, members));
    }

    fn store(&mut self, _: Life, batch: Batch) {
        let documents = batch.documents.iter().map(|of| (of.user.to_string(), of.seq.0)).collect();
        self.asked.push(Asked::Stored(documents));
        self.batch = Some(batch);
    }

    fn settle(&mut self, _: Life, _: u64, process: Process, settled: Vec<Settled>) {
        assert_eq!(process, GATEWAY);
        let told = |of: &Settled| (of.place.position.0, of.first_ns / 1_000_000);
        self.asked.push(Asked::Settle(settled.iter().map(told).collect()));
    }

    fn look(&mut self, _: Life, stage: u64, users: Vec<UserId>) {
        self.stage = stage;
        self.asked.push(Asked::Look(names(&users)));
    }

    fn deliver(&mut self, _: Life, _: u64, gateway: Process, deliveries: Vec<Delivery>) {
        assert_eq!(gateway, GATEWAY);
        let all = deliveries.iter().map(|of| (of.uid.to_string(), of.seq.0)).collect();
        self.asked.push(Asked::Delivery(all));
    }

    fn notice(&mut self, _: Life, _: u64, record: Box<[u8]>) {
        let Ok(TopicRecord::Notice(notice)) = TopicRecord::decode(&record) else {
            panic!("a notice")
        };
        self.asked.push(Asked::Notice(notice.uid.to_owned()));
    }

    fn checkpoint(
        &mut self,
        _: Life,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    ) {
        self.asked.push(Asked::Checkpoint(was.map(|at| at.0), checkpoint.next.0, page.len()));
    }

    fn dead_letter(&mut self, at: Position, _: &[u8]) {
        self.asked.push(Asked::DeadLetter(at.0));
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.asked.push(Asked::Alarm(alarm));
    }
}

fn placement() -> Placement {
    Placement::new(PARTITIONS)
}

/// A uid that lives in a partition.
fn uid_in(partition: u16, nth: usize) -> String {
    let all = (0..).map(|n| format!("u{n}"));
    let here = |uid: &String| placement().partition(uid).0 == partition;
    all.filter(here).nth(nth).unwrap()
}

fn message(sender: &str, receiver: &str, name: &str, switches: Switches) -> Vec<u8> {
    let session_type = if receiver.starts_with('g') { 2 } else { 1 };
    let message = Message {
        key: MessageKey::new(sender, session_type, receiver, name),
        send_time_ns: 0,
        switches,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type,
        sender_platform_id: 1,
        send_id: sender,
        recv_id: receiver,
        client_msg_id: name,
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: "hi",
    };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

fn settings() -> Settings {
    Settings {
        placement: placement(),
        window_ms: 1000,
        keys_max: 100,
        users_max: 100,
        group_members_max: 100,
        bytes_max: 100_000,
        relay_bytes_max: 100_000,
        entries_max: 100,
        stages_max: 2,
        gateways_ms: 2000,
        checkpoint_every_ms: 1000,
    }
}

struct Test {
    owner: Owner,
    world: World,
    next: u64,
}

impl Test {
    fn new(topic: Topic, partition: u16) -> Self {
        Self::with(settings(), topic, partition)
    }

    fn with(settings: Settings, topic: Topic, partition: u16) -> Self {
        let at = LogPartition { topic, partition: PartitionId(partition) };
        let mut world = World::default();
        let owner = Owner::new(at, settings, &mut world);
        let mut test = Self { owner, world, next: 0 };
        test.load(LoadedPartition::default());
        test
    }

    fn load(&mut self, partition: LoadedPartition) {
        self.next = partition.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.next.0);
        self.owner.loaded(self.world.life, partition, &mut self.world);
    }

    fn record(&mut self, bytes: Box<[u8]>) -> Vec<Asked> {
        let at = Position(self.next);
        self.next += 1;
        self.owner.record(at, 1000 + at.0 as i64, bytes.into(), &mut self.world);
        self.asked()
    }

    fn send(&mut self, sender: &str, receiver: &str, name: &str) -> Vec<Asked> {
        self.record(Sent::encode(GATEWAY, &message(sender, receiver, name, Switches::ON)))
    }

    /// Users that the store has with this newest seq, applied below that position.
    fn users(&mut self, users: &[(&str, u64, u64)]) -> Vec<Asked> {
        let load = |&(uid, newest, through): &(&str, u64, u64)| LoadedUser {
            uid: UserId::new(uid),
            bounds: InboxBounds { min: Seq(0), newest: Seq(newest), through: Position(through) },
            above: (0..through).map(|at| (Position(at), Seq(at + 1))).collect(),
        };
        let users = users.iter().map(load).collect();
        self.owner.users_loaded(self.world.life, users, &mut self.world);
        self.asked()
    }

    fn stored(&mut self, result: Result<(), NotStored>) -> Vec<Asked> {
        self.owner.stored(self.world.life, result, &mut self.world);
        self.asked()
    }

    /// Everybody is at the gateway, which reaches these platforms of all.
    fn saw(&mut self) -> Vec<Asked> {
        let (life, stage) = (self.world.life, self.world.stage);
        let sight = Sight::default();
        self.owner.saw(life, stage, Some(&sight), &[GATEWAY], &mut self.world);
        self.asked()
    }

    fn reached(&mut self, platforms: &[u8]) -> Vec<Asked> {
        let (life, stage) = (self.world.life, self.world.stage);
        self.owner.reached(life, stage, GATEWAY, platforms, &mut self.world);
        self.asked()
    }

    fn settled(&mut self) -> Vec<Asked> {
        let (life, stage) = (self.world.life, self.world.stage);
        self.owner.settled(life, stage, GATEWAY, &mut self.world);
        self.asked()
    }

    fn asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.world.asked)
    }
}

fn stored(documents: &[(&str, u64)]) -> Asked {
    Asked::Stored(documents.iter().map(|(uid, seq)| ((*uid).to_owned(), *seq)).collect())
}

fn all(uids: &[&str]) -> Vec<String> {
    uids.iter().map(|uid| (*uid).to_owned()).collect()
}

#[test]
fn a_send_is_stored_then_told_then_covered() {
    let (alice, bob) = (uid_in(0, 0), uid_in(0, 1));
    let mut test = Test::new(Topic::Chat, 0);
    assert_eq!(test.send(&alice, &bob, "m1"), [Asked::Users(all(&[&bob, &alice]))]);
    let users = test.users(&[(&bob, 4, 0), (&alice, 0, 0)]);
    assert_eq!(users, [stored(&[(&bob, 5), (&alice, 1)])]);
    let mut uids = all(&[&alice, &bob]);
    uids.sort();
    assert_eq!(test.stored(Ok(())), [Asked::Settle(vec![(0, 1000)]), Asked::Look(uids)]);
    let delivered = vec![(bob.clone(), 5), (alice.clone(), 1)];
    assert_eq!(test.saw(), [Asked::Delivery(delivered)]);
    // On a PC only: bob's phone is to be notified; alice has written it herself.
    assert_eq!(test.reached(&[1 << 3, 0]), [Asked::Notice(bob.clone())]);
    let (life, stage) = (test.world.life, test.world.stage);
    test.owner.noticed(life, stage, &mut test.world);
    assert_eq!(test.asked(), [], "the sender's gateway has not answered");
    assert_eq!(test.settled(), [Asked::Checkpoint(None, 1, 1)]);
    test.owner.checkpointed(life, Ok(()), &mut test.world);
    assert!(test.owner.is_idle());
    // A repeat creates nothing, and settles behind the first.
    assert_eq!(test.send(&alice, &bob, "m1"), [Asked::Settle(vec![(1, 1000)])]);
}

#[test]
fn gateways_have_their_time_and_no_more() {
    let alice = uid_in(0, 0);
    let mut test = Test::new(Topic::Chat, 0);
    test.send(&alice, &alice, "m1");
    test.users(&[(&alice, 0, 0)]);
    test.stored(Ok(()));
    test.saw();
    test.owner.tick(1999, &mut test.world);
    assert_eq!(test.asked(), []);
    test.owner.tick(2000, &mut test.world);
    assert_eq!(test.asked(), [Asked::Checkpoint(None, 1, 1)]);
}

#[test]
fn checkpoints_are_written_every_now_and_then_and_at_once_in_the_end() {
    let alice = uid_in(0, 0);
    let mut test = Test::new(Topic::Chat, 0);
    let tell = |test: &mut Test, name: &str| {
        test.send(&alice, &alice, name);
        test.users(&[(&alice, 0, 0)]);
        test.stored(Ok(()));
        test.saw();
        test.reached(&[1 << 1]);
        let asked = test.settled();
        if !asked.is_empty() {
            test.owner.checkpointed(test.world.life, Ok(()), &mut test.world);
        }
        asked
    };
    assert_eq!(tell(&mut test, "m1"), [Asked::Checkpoint(None, 1, 1)]);
    assert!(test.owner.is_idle());
    for name in ["m2", "m3"] {
        assert_eq!(tell(&mut test, name), []);
        assert!(!test.owner.is_idle(), "no checkpoint covers it");
    }
    test.owner.tick(1000, &mut test.world);
    assert_eq!(test.asked(), [Asked::Checkpoint(Some(1), 3, 2)]);
    test.owner.checkpointed(test.world.life, Ok(()), &mut test.world);
    assert_eq!(tell(&mut test, "m4"), []);
    test.owner.finish(&mut test.world);
    assert_eq!(test.asked(), [Asked::Checkpoint(Some(3), 4, 1)]);
    test.owner.checkpointed(test.world.life, Ok(()), &mut test.world);
    assert_eq!(tell(&mut test, "m5"), [Asked::Checkpoint(Some(4), 5, 1)]);

    // So many keys are not kept any longer.
    let few = Settings { entries_max: 2, ..settings() };
    let mut test = Test::with(few, Topic::Chat, 0);
    assert_eq!(tell(&mut test, "m1"), [Asked::Checkpoint(None, 1, 1)]);
    assert_eq!(tell(&mut test, "m2"), []);
    assert_eq!(tell(&mut test, "m3"), [Asked::Checkpoint(Some(1), 3, 2)]);
}

#[test]
fn a_relay_is_taken_once_and_the_checkpoint_follows_those_handed_out() {
    let (alice, carol) = (uid_in(0, 0), uid_in(1, 0));
    let mut test = Test::new(Topic::Chat, 0);
    let asked = test.send(&alice, &carol, "m1");
    assert_eq!(asked, [Asked::Relay(1, vec![]), Asked::Users(all(&[&alice]))]);
    test.users(&[(&alice, 0, 0)]);
    test.stored(Ok(()));
    test.saw();
    test.reached(&[1 << 1]);
    assert_eq!(test.settled(), [], "the relay is not in the log");
    test.owner.relayed(test.world.life, 1, &mut test.world);
    assert_eq!(test.asked(), [Asked::Checkpoint(None, 1, 1)]);

    let mut test = Test::new(Topic::Chat, 1);
    let of = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };
    let mut relay = |at, name: &str| {
        let source = Source { of, position: Position(at) };
        let message = message(&alice, &carol, name, Switches::ON);
        test.record(Relayed::encode(source, 5, GATEWAY, std::iter::empty(), &message));
        test.users(&[(&carol, 0, 0)]);
        test.world.batch.take().map_or(0, |batch| batch.documents.len())
    };
    assert_eq!([relay(3, "m1"), relay(3, "m1")], [1, 0]);
}

#[test]
fn while_a_topic_takes_no_relays_no_further_record_is_taken() {
    let (alice, carol) = (uid_in(0, 0), uid_in(1, 0));
    let of = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };
    let source = Source { of, position: Position(0) };
    let message = message(&alice, &carol, "m1", Switches::ON);
    let bytes = Relayed::encode(source, 0, GATEWAY, std::iter::empty(), &message).len();
    let two = Settings { relay_bytes_max: 2 * bytes, ..settings() };
    let mut test = Test::with(two, Topic::Chat, 0);
    test.send(&alice, &carol, "m1");
    test.users(&[(&alice, 0, 0)]);
    assert_eq!(test.owner.wants(), Some(Position(1)), "there is room");
    assert_eq!(test.send(&alice, &carol, "m2"), [Asked::Relay(1, vec![])]);
    assert_eq!(test.owner.wants(), None);
    // What was read before is not decided either.
    assert_eq!(test.send(&alice, &carol, "m3"), []);
    test.owner.relayed(test.world.life, 1, &mut test.world);
    assert_eq!(test.asked(), [Asked::Relay(1, vec![])]);
    assert_eq!(test.owner.wants(), None);
    test.owner.relayed(test.world.life, 2, &mut test.world);
    assert_eq!(test.owner.wants(), Some(Position(3)));
}

#[test]
fn what_the_store_has_is_delivered_again_and_not_numbered() {
    let alice = uid_in(0, 0);
    let mut test = Test::new(Topic::Chat, 0);
    test.send(&alice, &alice, "m1");
    test.send(&alice, &alice, "m2");
    // Another owner has stored the first.
    assert_eq!(test.users(&[(&alice, 1, 1)]), [stored(&[(&alice, 2)])]);
    let raise = &test.world.batch.as_ref().unwrap().raises[0];
    assert_eq!((raise.first, raise.newest, raise.through), (Seq(2), Seq(2), Position(2)));
    test.stored(Ok(()));
    assert_eq!(test.saw(), [Asked::Delivery(vec![(alice.clone(), 1), (alice, 2)])]);
}

#[test]
fn a_contradiction_makes_it_load_again_and_the_same_twice_stops_it() {
    let alice = uid_in(0, 0);
    let mut test = Test::new(Topic::Chat, 0);
    let contradict = |test: &mut Test| {
        test.send(&alice, &alice, "m1");
        test.users(&[(&alice, 0, 0)]);
        let life = test.world.life;
        let why = Contradiction::Density(UserId::new(&alice), Seq(1));
        let asked = test.stored(Err(NotStored::Contradiction(why)));
        let loads = test.world.life != life;
        test.load(LoadedPartition { log: log_to(1), ..LoadedPartition::default() });
        (loads, asked.len())
    };
    assert_eq!(contradict(&mut test), (true, 0));
    // Another process of the store explains the first.
    test.owner.store_changed(&mut test.world);
    test.load(LoadedPartition { log: log_to(1), ..LoadedPartition::default() });
    assert_eq!(contradict(&mut test), (true, 0));
    assert_eq!(contradict(&mut test), (false, 1));
    assert!(test.owner.is_stopped() && test.owner.wants().is_none());
}

#[test]
fn a_group_is_expanded_where_the_send_lies() {
    let (alice, bob, carol) = (uid_in(0, 0), uid_in(0, 1), uid_in(1, 0));
    let mut test = Test::new(Topic::Group, placement().partition("g1").0);
    let send = |name| {
        Sent::encode_to_group(GATEWAY, &[], &[], false, &message(&alice, "g1", name, Switches::ON))
    };
    assert_eq!(test.record(send("m1")), [Asked::Group("g1".to_owned())]);
    let members = vec![(UserId::new(&bob), Role::Owner), (UserId::new(&carol), Role::Ordinary)];
    let group = LoadedGroup { group: GroupId::new("g1"), version: 4, members };
    test.owner.group_loaded(test.world.life, group, &mut test.world);
    let mut here = all(&[&alice, &bob]);
    here.sort();
    let relays = |here: Vec<String>, there: &[&str]| {
        vec![Asked::Relay(0, here), Asked::Relay(1, all(there))]
    };
    let expected = relays(here, &[&carol]);
    assert_eq!(test.asked(), expected, "one relay a partition, the sender in it");
    // The next version removes carol; one that says less than it should makes the group be read again.
    test.record(GroupChanged::encode("g1", 5, &[], &[&carol]));
    test.record(GroupChanged::encode("g1", 5, &[], &[&bob]));
    let mut here = all(&[&alice, &bob]);
    here.sort();
    assert_eq!(test.record(send("m2"))[..1], [Asked::Relay(0, here)]);
    // Of a repeat the sender's partition is told, behind the first.
    assert_eq!(test.record(send("m1")), [Asked::Relay(0, vec![])]);
    test.record(GroupChanged::encode("g1", 7, &[(&carol, Role::Ordinary)], &[]));
    assert_eq!(test.record(send("m3")), [Asked::Group("g1".to_owned())], "a version is missing");
}

#[test]
fn a_message_to_a_group_has_one_body() {
    let (alice, bob) = (uid_in(0, 0), uid_in(0, 1));
    let mut test = Test::new(Topic::Chat, 0);
    let of = LogPartition { topic: Topic::Group, partition: PartitionId(2) };
    let source = Source { of, position: Position(8) };
    let members = [(&*alice, false), (&*bob, true)].into_iter();
    let message = message("somebody", "g1", "m1", Switches::ON);
    test.record(Relayed::encode(source, 5, GATEWAY, members, &message));
    test.users(&[(&alice, 0, 0), (&bob, 0, 0)]);
    let batch = test.world.batch.take().unwrap();
    assert_eq!(batch.bodies.len(), 1);
    assert!(
        batch.documents.iter().all(|of| of.content == Content::Group(source) && of.sent_ms == 5)
    );
}

#[test]
fn what_leaves_no_trace_is_told_once_and_dropped_by_a_replay() {
    let (alice, bob) = (uid_in(0, 0), uid_in(0, 1));
    let ephemeral = Switches::from_bits(0);
    let send = || Sent::encode(GATEWAY, &message(&alice, &bob, "m1", ephemeral));
    let mut test = Test::new(Topic::Chat, 0);
    let settle = |at| Asked::Settle(vec![(at, 1000 + at as i64)]);
    assert_eq!(test.record(send()), [settle(0), Asked::Look(all(&[&bob]))]);
    test.owner.store_changed(&mut test.world);
    test.load(LoadedPartition { log: log_to(1), ..LoadedPartition::default() });
    assert_eq!(test.record(send()), [settle(0)], "it was in the log before");
}

#[test]
fn a_record_of_a_later_build_stops_it_and_damage_is_set_aside() {
    let mut test = Test::new(Topic::Chat, 0);
    assert_eq!(test.record(Box::from([0; 9]))[..1], [Asked::DeadLetter(0)]);
    let newer = Alarm::Newer { at: Position(1), version: 1, kind: 200 };
    assert_eq!(test.record(Box::from([1, 200])), [Asked::Alarm(newer)]);
    assert!(test.owner.is_stopped());
}

/// A log with so many records.
fn log_to(end: u64) -> LogNow {
    LogNow { end: Position(end), ..LogNow::default() }
}

#[test]
fn a_checkpoint_outside_of_the_log_stops_it() {
    let mut test = Test::new(Topic::Chat, 0);
    test.owner.store_changed(&mut test.world);
    let checkpoint = Checkpoint { next: Position(9), time_ms: 0, high_waters: Vec::new() };
    test.load(LoadedPartition {
        checkpoint: Some(checkpoint),
        log: log_to(4),
        ..LoadedPartition::default()
    });
    let (next, start, end) = (Position(9), Position(0), Position(4));
    let alarm = Alarm::NotInLog(Misfit::Another { next, start, end, from: end });
    assert_eq!(test.asked(), [Asked::Alarm(alarm)]);
}
