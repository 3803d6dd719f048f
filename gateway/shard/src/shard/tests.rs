//! The shard: holding, closing, loading and what a turn costs.

use openim_auth::{Class, TokenId};
use openim_front::{CloseReason, Credentials, FrameToken, LinkId, SendRefused};
use openim_record::{
    Addresses, Draft, GroupId, MemberList, Message, PartitionId, Position, SESSION_GROUP,
    Submission,
};

use super::*;

mod alone;

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Receipt(Origin, i64),
    Refused(Origin, SendRefused),
    Push(LinkId, Seq),
    Close(LinkId, CloseReason),
    Resume(LinkId),
}

/// Surroundings that write down what is asked of them.
#[derive(Default)]
struct Notes {
    events: Vec<Event>,
    appends: Vec<Submission>,
    full: bool,
}

impl Notes {
    fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

impl FrontEffects for Notes {
    fn has_room(&mut self, _: usize) -> bool {
        !self.full
    }
    fn submit(&mut self, submission: Submission) {
        self.appends.push(submission);
    }
    fn receipt(&mut self, origin: Origin, _: &str, _: &str, _: MessageKey, send_time_ns: i64) {
        self.events.push(Event::Receipt(origin, send_time_ns));
    }
    fn refuse(&mut self, origin: Origin, why: SendRefused) {
        self.events.push(Event::Refused(origin, why));
    }
    fn push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize {
        self.events.push(Event::Push(link, deliver.seq));
        100 + deliver.message.content.len()
    }
    fn ping(&mut self, _: LinkId) {}
    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.events.push(Event::Close(link, reason));
    }
    fn resume(&mut self, link: LinkId) {
        self.events.push(Event::Resume(link));
    }
    fn resume_calls(&mut self, _: usize) {}
}

impl Effects for Notes {
    fn has_room_at(&mut self, _: PartitionId, _: usize) -> bool {
        false
    }
    fn forward(&mut self, _: PartitionId, _: Box<[u8]>) {}
    fn forward_group(&mut self, _: &[u8], _: Vec<MemberList>) -> bool {
        false
    }
}

const LIMITS: Limits = Limits {
    front: openim_front::Limits {
        in_flight_per_link: 2,
        outbox_bytes_max: 250,
        outbox_burst_bytes_max: 0,
        frames_per_second: 10,
        ping_s: 0,
        pings_missed_max: 2,
        write_stall_s: 0,
        send_timeout_ms: 1_000,
        users_max: 100,
        unsettled_max: 10,
    },
    back: openim_back::Limits {
        duplicate_window_ms: 600_000,
        duplicates_max: 1_000,
        users_max: 100,
        waiting_max: 10,
        waiting_bytes_max: 1 << 20,
        group_members_max: 1_000,
    },
};

struct Scene {
    shard: Shard,
    fx: Notes,
    positions: u64,
}

impl Scene {
    fn new() -> Self {
        let shard = Shard::new(Placement::new(4), 0, 1, LoginPolicy::AllTerminals, LIMITS);
        let mut scene = Self { shard, fx: Notes::default(), positions: 0 };
        for uid in ["ann", "bob"] {
            scene.load(uid);
        }
        scene
    }

    fn load(&mut self, uid: &str) {
        let uid = UserId::new(uid);
        self.shard.want(&uid);
        while self.shard.next_load(true).is_some() {}
        if !self.shard.front().knows(uid.as_str()) {
            assert!(self.shard.tokens_loaded(&uid, NewestTokens::default(), None));
        }
        let (bounds, fx) = (InboxBounds::default(), &mut self.fx);
        assert!(self.shard.inbox_loaded(&uid, bounds, Seq(0), at(0), fx));
    }

    fn open(&mut self, uid: &str, platform: u8) -> LinkId {
        let credentials = Credentials {
            class: Class::Pc,
            platform: 3,
            id: TokenId([0; 16]),
            issued_at: 0,
            expires_at: i64::MAX,
            frame: FrameToken::new(0),
        };
        self.shard.open(uid, platform, credentials, at(0), &mut self.fx)
    }

    fn send(&mut self, origin: Origin, to: &str, id: &str) -> Admission {
        self.send_at(origin, to, id, 0)
    }

    fn send_at(&mut self, origin: Origin, to: &str, id: &str, ms: u64) -> Admission {
        let mut draft = Draft::new(&message(to, id));
        let admission = self.shard.send(origin, &mut draft, at(ms), &mut self.fx);
        self.shard.check_invariants();
        admission
    }

    /// The log takes the oldest append.
    fn commit(&mut self) {
        let append = self.fx.appends.remove(0);
        self.positions += 1;
        let members = append.lists.into_iter().map(|list| list.list).collect();
        let (position, to) = (Position(self.positions), append.to);
        let committed = Committed { position, append_ms: 0, to, record: append.record, members };
        self.shard.committed(committed, true, at(0), &mut self.fx);
        self.shard.check_invariants();
    }

    /// Ann sends to the group of [`group_of_61`].
    fn send_to_group(&mut self, id: &str, content: &str) {
        let message = Message { session_type: SESSION_GROUP, content, ..message("g", id) };
        let terms = GroupTerms {
            emphasised: &[],
            removed: &[],
            tells: Tells::Nothing,
            trusted: false,
            after_ns: 0,
        };
        let (shard, mut draft) = (&mut self.shard, Draft::new(&message));
        let admission =
            shard.send_to_group(Origin::Call(1), &mut draft, &terms, at(0), &mut self.fx);
        assert_eq!(admission, GroupAdmission::Offered(Admission::Taken, 61));
    }

    fn refuse(&mut self) {
        let key = self.fx.appends.remove(0).key;
        self.shard.refused(key, at(0), &mut self.fx);
        self.shard.check_invariants();
    }
}

/// With ann in it, all in memory; some 15 in each partition.
fn group_of_61() -> (Scene, Vec<UserId>) {
    let mut scene = Scene::new();
    let members: Vec<UserId> = (0..60).map(|n| UserId::new(&format!("u{n}"))).collect();
    for member in &members {
        scene.load(member.as_str());
    }
    let everybody = members.iter().cloned().chain([UserId::new("ann")]);
    let listed = everybody.map(|uid| (uid, openim_record::Role::Ordinary)).collect();
    scene.shard.groups_mut().load(&GroupId::new("g"), 1, listed);
    (scene, members)
}

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, unix_ns: 7, trusted_ms: 0 }
}

/// Of ann.
fn message<'a>(to: &'a str, id: &'a str) -> Message<'a> {
    Message {
        send_id: "ann",
        recv_id: to,
        client_msg_id: id,
        origin_platform: 5,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 5,
        ..Message::BLANK
    }
}

fn from(id: LinkId, msg_incr: i32) -> Origin {
    Origin::Link { id, msg_incr }
}

#[test]
fn a_send_is_answered_when_it_is_durable_and_delivered_to_the_receiver() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    let bob = scene.open("bob", 1);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    assert!(scene.fx.take().is_empty());
    scene.commit();
    assert_eq!(scene.fx.take(), [Event::Push(bob, Seq(1)), Event::Receipt(from(ann, 1), 7)]);
    // The same again: the first receipt, at once, and nothing created.
    assert_eq!(scene.send(from(ann, 2), "bob", "a"), Admission::Taken);
    assert_eq!(scene.fx.take(), [Event::Receipt(from(ann, 2), 7)]);
    assert!(scene.fx.appends.is_empty());
}

#[test]
fn a_repeat_of_a_send_under_way_waits_for_it() {
    let mut scene = Scene::new();
    let (first, second) = (scene.open("ann", 5), scene.open("ann", 1));
    assert_eq!(scene.send(from(first, 1), "bob", "a"), Admission::Taken);
    assert_eq!(scene.send(from(second, 1), "bob", "a"), Admission::Hold);
    // Room in a ring is not what it waits for.
    scene.shard.room(9, &mut scene.fx);
    assert!(scene.fx.take().is_empty());
    scene.commit();
    assert!(scene.fx.take().contains(&Event::Resume(second)));
    assert_eq!(scene.send(from(second, 1), "bob", "a"), Admission::Taken);
    assert_eq!(scene.fx.take(), [Event::Receipt(from(second, 1), 7)]);
}

#[test]
fn a_full_ring_holds_the_link_until_there_is_room() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    scene.fx.full = true;
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Hold);
    assert_eq!(scene.shard.front().blocked_len(), 1);
    scene.fx.full = false;
    scene.shard.room(9, &mut scene.fx);
    assert_eq!((scene.fx.take(), scene.shard.front().blocked_len()), (vec![Event::Resume(ann)], 0));
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
}

#[test]
fn links_that_block_and_leave_do_not_pile_up() {
    let mut scene = Scene::new();
    scene.fx.full = true;
    for n in 0..10_000 {
        let ann = scene.open("ann", 5);
        assert_eq!(scene.send(from(ann, n), "bob", "a"), Admission::Hold);
        scene.shard.closed(ann, &mut scene.fx);
        assert!(scene.shard.front().blocked_len() <= 65);
    }
}

#[test]
fn a_log_that_is_late_refuses_sends_until_it_has_answered() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    assert_eq!(scene.shard.in_order(ann), Admission::Hold);
    scene.shard.tick(at(1_000), &mut scene.fx);
    let refused = Event::Refused(from(ann, 1), SendRefused::Timeout);
    assert_eq!(scene.fx.take(), [refused, Event::Resume(ann)]);
    assert_eq!(scene.send_at(from(ann, 2), "bob", "b", 1_001), Admission::Refused);
    assert_eq!(scene.send_at(from(ann, 3), "bob", "a", 1_001), Admission::Refused);
    scene.commit();
    assert!(scene.fx.take().iter().all(|event| !matches!(event, Event::Receipt(..))));
    assert_eq!(scene.send_at(from(ann, 4), "bob", "a", 1_002), Admission::Taken);
    assert_eq!(scene.fx.take(), [Event::Receipt(from(ann, 4), 7)]);
}

/// Somebody of ann's partition who is not in memory.
fn mate(scene: &Scene) -> String {
    let home = scene.shard.placement.partition("ann");
    let mut names = (0..).map(|n| format!("u{n}"));
    names.find(|uid| scene.shard.placement.partition(uid) == home).unwrap()
}

#[test]
fn a_send_whose_user_is_still_loaded_is_answered_when_it_is_durable() {
    let mut scene = Scene::new();
    let mate = mate(&scene);
    let (ann, other) = (scene.open("ann", 5), scene.open("ann", 1));
    assert_eq!(scene.send(from(ann, 1), &mate, "a"), Admission::Taken);
    assert_eq!(scene.send(from(ann, 2), "bob", "b"), Admission::Taken);
    scene.commit();
    assert_eq!(scene.fx.take(), [Event::Receipt(from(ann, 1), 7)]);
    assert_eq!(scene.shard.next_load(false), Some(Load::Inbox(UserId::new(&mate))));
    // A refusal comes in the order of the log as well.
    scene.refuse();
    assert_eq!(scene.fx.take(), [Event::Refused(from(ann, 2), SendRefused::LogRefused)]);
    // A repeat of what is durable gets the same receipt, though no inbox has it.
    assert_eq!(scene.send(from(other, 1), &mate, "a"), Admission::Taken);
    assert_eq!(scene.fx.take(), [Event::Receipt(from(other, 1), 7)]);
    assert!(scene.fx.appends.is_empty());
    scene.load(&mate);
    let left = (scene.shard.back().waiting_len(), scene.shard.front().pending_len());
    assert_eq!(left, (0, 0));
    assert_eq!(scene.send(from(other, 2), &mate, "a"), Admission::Taken);
    let events = scene.fx.take();
    assert_eq!(events.last(), Some(&Event::Receipt(from(other, 2), 7)), "{events:?}");
}

#[test]
fn a_question_behind_a_send_sees_it_or_is_refused() {
    for in_time in [true, false] {
        let mut scene = Scene::new();
        let mate = mate(&scene);
        let ann = scene.open("ann", 5);
        assert_eq!(scene.send(from(ann, 1), &mate, "a"), Admission::Taken);
        assert_eq!(scene.shard.in_view(ann), Admission::Hold, "it is under way");
        scene.commit();
        assert_eq!(scene.fx.take(), [Event::Receipt(from(ann, 1), 7), Event::Resume(ann)]);
        assert_eq!(scene.shard.in_order(ann), Admission::Taken, "it is answered");
        assert_eq!(scene.shard.in_view(ann), Admission::Hold, "and not in the inbox");
        if !in_time {
            scene.shard.tick(at(2_999), &mut scene.fx);
            assert!(scene.fx.take().is_empty());
            scene.shard.tick(at(3_000), &mut scene.fx);
            assert_eq!(scene.fx.take(), [Event::Resume(ann)]);
            assert_eq!(scene.shard.in_view(ann), Admission::Refused);
        }
        scene.load(&mate);
        let resumed = if in_time { vec![Event::Resume(ann)] } else { Vec::new() };
        assert_eq!(scene.fx.take(), resumed);
        assert_eq!(scene.shard.in_view(ann), Admission::Taken);
        assert_eq!(scene.shard.bounds("ann").map(|bounds| bounds.newest), Some(Seq(1)));
    }
}

#[test]
fn a_call_is_answered_when_its_send_is_in_the_inbox() {
    let mut scene = Scene::new();
    let mate = mate(&scene);
    assert_eq!(scene.send(Origin::Call(1), &mate, "a"), Admission::Taken);
    scene.commit();
    assert!(scene.fx.take().is_empty());
    scene.load(&mate);
    assert_eq!(scene.fx.take(), [Event::Receipt(Origin::Call(1), 7)]);
    // Who is in memory waits for nothing.
    assert_eq!(scene.send(Origin::Call(2), "bob", "b"), Admission::Taken);
    scene.commit();
    assert_eq!(scene.fx.take(), [Event::Receipt(Origin::Call(2), 8)]);
}

#[test]
fn a_send_is_answered_by_its_own_record_not_by_an_older_one_that_is_replayed() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    assert_eq!(scene.send(from(ann, 2), "bob", "b"), Admission::Taken);
    // The second was in the log before a crash; that record is only now applied.
    let own = Message::decode(&scene.fx.appends[1].record).unwrap();
    let mut record = Vec::new();
    Message { send_time_ns: 3, ..own }.encode(&mut record);
    let (position, members) = (Position(0), Box::default());
    let to = Addresses::of(&own, scene.shard.placement);
    let older = Committed { position, append_ms: 0, to, record: record.into(), members };
    scene.shard.committed(older, false, at(0), &mut scene.fx);
    assert!(scene.fx.take().is_empty());
    scene.commit();
    scene.commit();
    let answers = [Event::Receipt(from(ann, 1), 7), Event::Receipt(from(ann, 2), 3)];
    assert_eq!(scene.fx.take(), answers);
}

#[test]
fn a_slow_receiver_is_closed_once_and_sent_nothing_more() {
    let mut scene = Scene::new();
    let (ann, bob) = (scene.open("ann", 5), scene.open("bob", 1));
    let mut events = Vec::new();
    for n in 1..=5 {
        assert_eq!(scene.send(from(ann, n), "bob", &n.to_string()), Admission::Taken);
        scene.commit();
        events.extend(scene.fx.take());
    }
    let pushes = events.iter().filter(|event| matches!(event, Event::Push(..))).count();
    let closes: Vec<_> = events.iter().filter(|event| matches!(event, Event::Close(..))).collect();
    assert_eq!((pushes, closes), (3, vec![&Event::Close(bob, CloseReason::OutboxFull)]));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Receipt(..))).count(), 5);
    assert_eq!(scene.shard.in_order(bob), Admission::Hold, "nothing of it is handled either");
}

#[test]
fn the_rate_allows_a_burst_then_tells_how_long_to_wait() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    for _ in 0..20 {
        assert_eq!(scene.shard.frame_allowed(ann, at(500)), Ok(()));
    }
    let wait_ms = scene.shard.frame_allowed(ann, at(500)).unwrap_err();
    assert_eq!(wait_ms, 100);
    assert!(scene.shard.frame_allowed(ann, at(500 + 50)).is_err());
    assert_eq!(scene.shard.frame_allowed(ann, at(500 + u64::from(wait_ms))), Ok(()));
    assert!(scene.shard.frame_allowed(ann, at(500 + u64::from(wait_ms))).is_err());
    // However long it was silent, never more than the burst; also when the counter wraps.
    let late = u64::from(u32::MAX) - 3;
    assert_eq!(scene.shard.frame_allowed(ann, at(late)), Ok(()));
    let passed = (0..100).filter(|_| scene.shard.frame_allowed(ann, at(late + 10)).is_ok());
    assert_eq!(passed.count(), 19);
    scene.shard.closed(ann, &mut scene.fx);
    assert_eq!(scene.shard.frame_allowed(ann, at(late + 10)), Ok(()), "a link that has left");
}

#[test]
fn a_record_in_the_ring_keeps_the_head_from_being_believed() {
    let mut scene = Scene::new();
    let ann = scene.open("ann", 5);
    scene.shard.bound_unstored(2);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    scene.commit();
    assert!(!scene.shard.back().takes_committed());
    let batch = scene.shard.take_batch(Position(100)).unwrap();
    assert!(batch.applied.iter().all(|&(_, applied)| applied == Position(2)), "{batch:?}");
    scene.shard.stored();
    let batch = scene.shard.take_batch(Position(100)).unwrap();
    assert!(batch.applied.iter().all(|&(_, applied)| applied == Position(100)), "{batch:?}");
    scene.shard.stored();
    let batch = scene.shard.take_batch(Position(0)).unwrap();
    assert!(batch.applied.iter().all(|&(_, applied)| applied == Position(100)), "{batch:?}");
}

#[test]
fn what_waits_for_users_is_no_reason_to_store() {
    let mut scene = Scene::new();
    let (mate, ann) = (mate(&scene), scene.open("ann", 5));
    scene.shard.bound_unstored(20);
    for n in 0..LIMITS.back.waiting_max / 2 {
        let origin = from(ann, n as i32);
        assert_eq!(scene.send(origin, &mate, &format!("m{n}")), Admission::Taken);
        scene.commit();
    }
    let back = scene.shard.back();
    assert!(back.is_half_full() && !back.is_half_unstored());
    scene.load(&mate);
    let back = scene.shard.back();
    assert!(back.is_half_full() && back.is_half_unstored(), "{}", back.unstored_len());
}

#[test]
fn a_record_behind_members_of_a_group_does_not_wait_for_the_rest_of_them() {
    let (mut scene, members) = group_of_61();
    // Members have their turns by partition: this one among the last.
    let last = |uid: &&UserId| Placement::new(4).partition(uid.as_str()) == PartitionId(3);
    let friend = members.iter().find(last).unwrap().clone();
    let ann = scene.open("ann", 5);
    let link = scene.open(friend.as_str(), 1);

    scene.send_to_group("to all", "");
    scene.commit();
    assert_eq!(scene.send(from(ann, 1), friend.as_str(), "to one"), Admission::Taken);
    scene.commit();
    assert_eq!(scene.shard.back().fanning(), 61);
    let events = scene.fx.take();
    assert!(events.contains(&Event::Receipt(from(ann, 1), 8)), "it is durable: {events:?}");
    assert_eq!(scene.shard.in_view(ann), Admission::Hold, "and waits behind a member");
    // One partition each: the friend's and the sender's.
    for _ in 0..2 {
        assert!(scene.shard.fan_out(1, at(0), &mut scene.fx));
        scene.shard.check_invariants();
    }
    let events = scene.fx.take();
    assert!(events.contains(&Event::Push(link, Seq(2))), "{events:?}");
    assert!(events.contains(&Event::Resume(ann)), "{events:?}");
    assert!(scene.shard.back().fanning() > 20, "the others wait still");
    while scene.shard.fan_out(1, at(0), &mut scene.fx) {}
    assert_eq!((scene.shard.back().fanning(), scene.shard.back().fanned()), (0, 61));
}

#[test]
fn messages_to_a_group_reach_a_link_together_unless_they_are_large() {
    for (content, together) in [("short", 2), (&"long".repeat(16 * 1024)[..], 1)] {
        let (mut scene, members) = group_of_61();
        let links: Vec<LinkId> = members.iter().map(|uid| scene.open(uid.as_str(), 1)).collect();
        for id in ["one", "two"] {
            scene.send_to_group(id, content);
            scene.commit();
        }
        scene.fx.take();
        // A turn in which the members of one partition can have both.
        assert!(scene.shard.fan_out(40, at(0), &mut scene.fx));
        let events = scene.fx.take();
        let pushes = |link: &LinkId| {
            events.iter().filter(|event| matches!(event, Event::Push(to, _) if to == link)).count()
        };
        assert_eq!(links.iter().map(pushes).max(), Some(together), "{events:?}");
    }
}
