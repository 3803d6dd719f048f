//! What comes of sends.

use std::collections::HashSet;
use std::time::Duration;

use openim_cluster::kafka::Landed;
use openim_host::Options;
use openim_record::{Checkpoint, LogPartition, Position, Seq, Topic};
use openim_storage::port::wait;

use crate::support::{Place, content, strangers, until};

#[test]
fn a_send_is_in_both_inboxes_once_delivered_and_settled() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let transfer = place.transfer();
    let history = place.history();
    let front = place.gateway.front(0);
    let landed = place.send(&alice, &bob, "m1");
    for (owner, number) in [(&alice, 1), (&bob, 1)] {
        let inbox = place.inbox_of(&history, owner, number);
        assert_eq!(inbox, [content(&alice, &bob, "m1")], "{owner}");
    }
    until("it is settled", || !place.gateway.settled(front).is_empty());
    let settled = place.gateway.settled(front)[0];
    assert_eq!(settled.place.position, landed.position);
    assert_eq!(settled.first_ns, landed.append_ms * 1_000_000, "the time is the log's");
    // There is no mark of the gateway, so it gets everything.
    until("it is delivered", || {
        [&alice, &bob].iter().all(|uid| place.gateway.given(front, uid) == [Seq(1)])
    });
    // A repeat is settled too, and nothing else.
    place.send(&alice, &bob, "m1");
    until("the repeat is settled", || place.gateway.settled(front).len() == 2);
    assert_eq!(place.gateway.settled(front)[1].first_ns, settled.first_ns);
    place.send(&alice, &bob, "m2");
    let both = [content(&alice, &bob, "m1"), content(&alice, &bob, "m2")];
    assert_eq!(place.inbox_of(&history, &bob, 2), both);
    assert_eq!(place.inbox_of(&history, &alice, 2), both);
    // All that was handed in is below checkpoints, so another one has nothing to do.
    transfer.stop();
    let stores_of = |transfer: &openim_host::Running| transfer.status().counts.stores;
    let transfer = place.transfer();
    until("it has begun", || {
        let status = transfer.status();
        status.owned.len() == 8 && status.loading == 0
    });
    place.send(&bob, &alice, "m3");
    assert_eq!(place.inbox_of(&history, &alice, 3).len(), 3);
    assert_eq!(place.inbox_of(&history, &bob, 3).len(), 3);
    assert!(stores_of(&transfer) <= 2, "one of the send, one of its relay");
    transfer.stop();
}

#[test]
fn a_send_to_a_group_reaches_its_members() {
    let Some(place) = Place::new() else { return };
    let members: [String; 4] = strangers();
    let names: Vec<&str> = members.iter().map(String::as_str).collect();
    place.make_group("g1", &names);
    let transfer = place.transfer();
    let history = place.history();
    let front = place.gateway.front(1);
    for id in ["m1", "m2", "m1", "m3"] {
        place.send_to_group(names[0], "g1", id);
    }
    for uid in &names {
        let inbox = place.inbox_of(&history, uid, 3);
        let sent = ["m1", "m2", "m3"].map(|id| content(names[0], "g1", id));
        assert_eq!(inbox, sent, "{uid}");
        let all = [Seq(1), Seq(2), Seq(3)];
        until("they are delivered", || place.gateway.given(front, uid) == all);
    }
    until("all four are settled", || place.gateway.settled(place.gateway.front(0)).len() == 4);
    transfer.stop();
}

#[test]
fn what_is_no_record_is_set_aside_and_holds_nothing_up() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let transfer = place.transfer();
    let history = place.history();
    place.produce(Topic::Chat, &alice, b"\xffno record");
    place.send(&alice, &bob, "m1");
    assert_eq!(place.inbox_of(&history, &bob, 1), [content(&alice, &bob, "m1")]);
    until("it is kept", || place.mysql.archive.dead_letters() == 1);
    until("it is counted", || transfer.status().counts.dead_letters == 1);
    transfer.stop();
}

#[test]
fn a_partition_with_a_record_of_a_later_build_stands_still_and_the_others_go_on() {
    let Some(place) = Place::new() else { return };
    let [alice, bob, carol] = strangers();
    let transfer = place.transfer();
    let history = place.history();
    place.produce(Topic::Chat, &alice, &[2, 1, 0, 0]);
    until("it stands still", || !transfer.status().stopped.is_empty());
    let stopped = transfer.status().stopped;
    assert_eq!(stopped.len(), 1);
    assert!(stopped[0].1.contains("later build"), "{}", stopped[0].1);
    place.send(&alice, &bob, "m1");
    place.send(&bob, &carol, "m2");
    let of_bob: HashSet<String> = place.inbox_of(&history, &bob, 1).into_iter().collect();
    assert_eq!(of_bob, HashSet::from([content(&bob, &carol, "m2")]));
    assert_eq!(place.inbox_of(&history, &carol, 1).len(), 1);
    assert_eq!(place.newest(&history, &alice), Seq(0));
    transfer.stop();
}

#[test]
fn a_checkpoint_outside_of_the_log_stops_its_partition_alone() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let history = place.history();
    let at = LogPartition { topic: Topic::Chat, partition: place.home(&alice) };
    let beyond = Checkpoint { next: Position(1_000), time_ms: 1, high_waters: Vec::new() };
    let generation = wait(history.load_partition(at)).expect("MongoDB answers").generation;
    let stored = wait(history.store_checkpoint(generation, at, None, beyond, Vec::new()));
    stored.expect("it is the first");
    let transfer = place.transfer();
    until("it stands still", || !transfer.status().stopped.is_empty());
    let (stopped, why) = transfer.status().stopped.remove(0);
    assert_eq!(stopped, at);
    assert!(why.contains("openim adopt-log"), "{why}");
    assert!(why.contains("(kafka.ws2mschat.topic)"), "{why}");
    let Landed { position, .. } = place.send(&alice, &bob, "m1");
    assert_eq!(position, Position(0));
    place.send(&bob, &bob, "m2");
    assert_eq!(place.inbox_of(&history, &bob, 1), [content(&bob, &bob, "m2")]);
    transfer.stop();
}

#[test]
fn a_change_of_a_group_that_no_record_tells_of_is_found_by_its_version() {
    let Some(place) = Place::new() else { return };
    let [alice, bob, carol] = strangers();
    place.make_group("g1", &[&alice, &bob]);
    let every = Duration::from_millis(200);
    let transfer = place.transfer_with(Options { versions_every: every, ..Options::default() });
    let history = place.history();
    place.send_to_group(&alice, "g1", "m1");
    assert_eq!(place.inbox_of(&history, &bob, 1), [content(&alice, "g1", "m1")]);
    place.add_to_group("g1", &carol);
    let mut sent = 1;
    until("carol gets what is sent", || {
        sent += 1;
        place.send_to_group(&alice, "g1", &format!("m{sent}"));
        place.newest(&history, &carol) > Seq(0)
    });
    let all = place.inbox_of(&history, &bob, sent);
    assert_eq!(all.len(), sent, "bob has all of it");
    assert!(all.ends_with(&place.inbox(&history, &carol)), "carol what came later");
    transfer.stop();
}
