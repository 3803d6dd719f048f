//! A shard that has only a front.

use openim_record::Switches;

use super::*;

fn scene() -> Scene {
    let policy = LoginPolicy::AllTerminals;
    let shard = Shard::front_alone(Placement::new(4), policy, LIMITS.front);
    assert!(shard.is_alone());
    Scene { shard, fx: Notes::default(), positions: 0 }
}

/// The log has the oldest append, since 7 s: where it lies.
fn land(scene: &mut Scene) -> Settled {
    let append = scene.fx.appends.remove(0);
    let (key, partition) = (append.key, append.to.origin().expect("who answers"));
    let place = Place { partition, position: Position(3) };
    let (message, send_time_ns) = (own_message(&append.record), 7_000_000_000);
    let landed = Landed::Durable { place, send_time_ns, message: &message };
    scene.shard.landed(landed, at(0), &mut scene.fx);
    scene.shard.check_invariants();
    Settled { key, place, first_ns: send_time_ns }
}

#[test]
fn it_asks_the_stores_for_tokens_only() {
    let (mut scene, ann) = (scene(), UserId::new("ann"));
    assert!(!scene.shard.knows("ann"));
    scene.shard.want(&ann);
    assert_eq!(scene.shard.next_load(true), Some(Load::Tokens(ann.clone())));
    assert_eq!(scene.shard.next_load(true), None);
    assert!(scene.shard.tokens_loaded(&ann, NewestTokens::default(), None));
    assert!(scene.shard.knows("ann"));
    assert_eq!(scene.shard.bounds("ann"), None, "no inbox is kept here");
}

#[test]
fn a_send_is_answered_when_it_lies_in_the_log_and_seen_when_it_is_settled() {
    let mut scene = scene();
    let ann = scene.open("ann", 5);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    let settled = land(&mut scene);
    let times = Event::Receipt(from(ann, 1), 7_000_000_000);
    assert_eq!(scene.fx.take(), [times]);
    assert_eq!(scene.shard.in_view(ann), Admission::Hold);
    scene.shard.settled(settled, &mut scene.fx);
    assert_eq!(scene.fx.take(), [Event::Resume(ann)]);
    assert_eq!(scene.shard.in_view(ann), Admission::Taken);
    // Nobody here knows what its partition has seen: a repeat goes through the log.
    assert_eq!(scene.send(from(ann, 2), "bob", "a"), Admission::Taken);
    assert_eq!((scene.fx.appends.len(), scene.fx.take()), (1, Vec::new()));
}

#[test]
fn a_question_behind_a_send_that_is_not_settled_in_time_is_refused() {
    let mut scene = scene();
    let ann = scene.open("ann", 5);
    assert_eq!(scene.send(from(ann, 1), "bob", "a"), Admission::Taken);
    let _never_told = land(&mut scene);
    assert_eq!(scene.shard.in_view(ann), Admission::Hold);
    scene.shard.tick(at(2_999), &mut scene.fx);
    assert_eq!(scene.shard.in_view(ann), Admission::Hold);
    scene.fx.take();
    scene.shard.tick(at(3_000), &mut scene.fx);
    assert_eq!(scene.fx.take(), [Event::Resume(ann)]);
    assert_eq!(scene.shard.in_view(ann), Admission::Refused);
}

#[test]
fn all_kinds_of_sends_go_through_the_log() {
    let mut scene = scene();
    let ann = scene.open("ann", 5);
    let switches = Switches { history: false, persistent: false, ..Switches::ON };
    let ephemeral = Message { switches, ..message("bob", "a") };
    let to_group = Message { session_type: SESSION_GROUP, ..message("g", "b") };
    for (n, message) in [ephemeral, to_group].iter().enumerate() {
        let (origin, mut draft) = (Origin::Call(n as u64), Draft::new(message));
        let admission = scene.shard.send(origin, &mut draft, at(0), &mut scene.fx);
        assert_eq!(admission, Admission::Taken);
        let Submission { to, lists, .. } = &scene.fx.appends[n];
        assert_eq!((*to, lists.len()), (Addresses::of(message, Placement::new(4)), 0));
    }
    assert_eq!(scene.shard.ephemerals(), 1);
    assert!(scene.fx.take().is_empty(), "neither is answered before it lies there");
    assert_eq!(scene.shard.in_view(ann), Admission::Taken);
}

#[test]
fn what_comes_from_elsewhere_reaches_its_links() {
    let mut scene = scene();
    let [phone, pc] = [1, 5].map(|platform| scene.open("ann", platform));
    let message = message("bob", "a");
    let (uid, except_platform, seq) = ("ann", 5, Seq(4));
    let deliver = Deliver { uid, except_platform, message: &message, seq, member: None, ticket: 0 };
    scene.shard.deliver(&deliver, at(0), &mut scene.fx);
    assert_eq!(scene.fx.take(), [Event::Push(phone, Seq(4))]);
    scene.shard.replaced(pc, &mut scene.fx);
    assert_eq!(scene.fx.take(), [Event::Close(pc, CloseReason::Replaced)]);
}

#[test]
fn nothing_is_kept_of_what_would_be_a_back() {
    let mut scene = scene();
    let ann = scene.open("ann", 5);
    assert_eq!(scene.send(from(ann, 1), "ann", "a"), Admission::Taken);
    let _landed = land(&mut scene);
    let back = scene.shard.back();
    assert_eq!((back.unstored_len(), back.fanning(), back.waiting_len()), (0, 0, 0));
    assert_eq!((back.users_len(), back.duplicates_len()), ((0, 0), 0));
    assert!(!back.storing() && back.takes_committed());
    scene.shard.set_users_max(10);
    scene.shard.raise_min("ann", Seq(9));
    assert!(scene.shard.take_batch(Position(0)).is_none());
    scene.shard.check_invariants();
}
