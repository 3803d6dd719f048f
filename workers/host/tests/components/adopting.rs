//! A log of which something is lost for good: its readers stand still until an operator lets them go on.

use std::time::{Duration, Instant};

use openim_host::{Adopting, Adoption, Reader, Running};
use openim_record::{LogPartition, MessageKey, Position, Topic, position};
use openim_storage::port::wait;
use openim_transfer::Misfit;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::archive::{archived, archiver};
use crate::stores::make_anew;
use crate::support::{PARTITIONS, Place, content, strangers, until};

fn adopting(place: &Place) -> Adopting {
    Adopting {
        kafka: place.kafka.clone(),
        history: place.history(),
        archive: place.mysql.archive.clone(),
        partitions: PARTITIONS,
    }
}

/// Waits until these partitions stand still, and no others.
fn stand_still(running: &Running, these: &[LogPartition]) {
    let begun = Instant::now();
    loop {
        let status = running.status();
        if status.stopped.iter().map(|(at, _)| at).eq(these) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(180),
            "{these:?} do not stand still: {status:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The partitions of sends in which these live, in order.
fn homes(place: &Place, uids: &[&String]) -> Vec<LogPartition> {
    let at = |uid: &&String| LogPartition { topic: Topic::Chat, partition: place.home(uid) };
    let mut homes: Vec<LogPartition> = uids.iter().map(at).collect();
    homes.sort_unstable();
    homes
}

/// Waits until the archive has noted that it has read so many records.
fn noted(place: &Place, records: u64) {
    until("the archive has noted them", || {
        let places = wait(place.mysql.archive.places()).expect("MySQL answers");
        places.iter().map(|place| place.next.0).sum::<u64>() >= records
    });
}

fn adopt_all(place: &Place, found: &[Adoption]) {
    let adopting = adopting(place);
    for adoption in found {
        wait(adopting.adopt(adoption)).expect("it is adopted");
    }
    assert_eq!(wait(adopting.look(&[])).expect("all answer").len(), 0, "nothing is left");
}

#[test]
fn a_topic_that_was_made_anew_is_adopted_and_inboxes_go_on_behind_their_newest() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let history = place.history();
    place.make_group("g1", &[&alice, &bob]);
    let (transfer, archive) = (place.transfer(), archiver(&place));
    for id in ["m1", "m2", "m3"] {
        place.send(&alice, &bob, id);
    }
    place.send_to_group(&bob, "g1", "m4");
    for uid in [&alice, &bob] {
        place.inbox_of(&history, uid, 4);
    }
    until("all is covered", || transfer.status().oldest_ms.is_none());
    // Three sends, their relays to bob, those of the group to both, and the group's own.
    noted(&place, 9);
    let before = [&alice, &bob].map(|uid| place.inbox(&history, uid));
    make_anew(&place);
    // Acknowledged by the new one, before anybody has looked: it waits.
    place.send(&alice, &bob, "m5");
    let homes = homes(&place, &[&alice, &bob]);
    for running in [&transfer, &archive] {
        stand_still(running, &homes);
    }
    let found = wait(adopting(&place).look(&[])).expect("all answer");
    assert_eq!(found.len(), 4, "each partition, of inboxes and archive: {found:?}");
    for Adoption { at, misfit, to, time_ms, .. } in &found {
        assert!(homes.contains(at), "the topic of groups is as it was");
        assert!(matches!(misfit, Misfit::Another { .. }) && *time_ms > 0, "{misfit}");
        assert_eq!(*to, position(1, 0), "all of the new log");
    }
    let some = wait(adopting(&place).look(&homes[..1])).expect("all answer");
    assert!(some.len() == 2 && some.iter().all(|one| one.at == homes[0]), "{some:?}");
    assert!(found.iter().any(|one| one.reader == Reader::Archive));
    for (uid, inbox) in [&alice, &bob].into_iter().zip(&before) {
        assert_eq!(place.inbox(&history, uid), *inbox, "to look changes nothing");
    }
    adopt_all(&place, &found);
    // Those that run go on. What was sent once is known still.
    place.send(&alice, &bob, "m1");
    let landed = place.send(&bob, &alice, "m6");
    let key = MessageKey::new(&bob, 1, &alice, "m6");
    until("its front knows it again", || {
        let settled = place.gateway.settled(place.gateway.front(0));
        settled.iter().any(|of| of.key == key && of.place.position == landed.position)
    });
    place.send_to_group(&alice, "g1", "m7");
    let new =
        [content(&alice, &bob, "m5"), content(&bob, &alice, "m6"), content(&alice, "g1", "m7")];
    for (uid, before) in [&alice, &bob].into_iter().zip(&before) {
        let inbox = place.inbox_of(&history, uid, before.len() + new.len());
        assert_eq!(inbox[..before.len()], before[..], "nothing is numbered anew");
        let mut rest = inbox[before.len()..].to_vec();
        rest.sort_unstable();
        let mut new = new.to_vec();
        new.sort_unstable();
        assert_eq!(rest, new);
    }
    until("all is archived", || archived(&place).len() == 7);
    for running in [transfer, archive] {
        until("nothing stands still", || running.status().stopped.is_empty());
        running.stop();
    }
    // And whoever comes next.
    let transfer = place.transfer();
    place.send(&bob, &alice, "m8");
    assert_eq!(place.inbox_of(&history, &alice, 8).len(), 8);
    transfer.stop();
}

#[test]
fn a_log_that_was_cut_before_it_was_read_goes_on_at_its_first_record() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let history = place.history();
    let (transfer, archive) = (place.transfer(), archiver(&place));
    place.send(&alice, &bob, "m1");
    place.inbox_of(&history, &bob, 1);
    until("all is covered", || transfer.status().oldest_ms.is_none());
    noted(&place, 2);
    transfer.stop();
    archive.stop();
    for id in ["m2", "m3"] {
        place.send(&alice, &bob, id);
    }
    // The second is lost before anybody has read it.
    let home = homes(&place, &[&alice]);
    cut(&place, home[0], 2);
    let (transfer, archive) = (place.transfer(), archiver(&place));
    for running in [&transfer, &archive] {
        stand_still(running, &home);
    }
    let found = wait(adopting(&place).look(&[])).expect("all answer");
    let missing = Misfit::Cut { next: Position(1), start: Position(2) };
    assert!(found.iter().all(|one| one.misfit == missing && one.to == Some(Position(2))));
    adopt_all(&place, &found);
    let inbox = place.inbox_of(&history, &bob, 2);
    assert_eq!(inbox, ["m1", "m3"].map(|id| content(&alice, &bob, id)));
    until("it is archived", || archived(&place).len() == 2);
    for running in [transfer, archive] {
        running.stop();
    }
}

/// Deletes the records of a partition below an offset, as retention does.
fn cut(place: &Place, at: LogPartition, below: i64) {
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &place.addresses.kafka)
        .create()
        .expect("a client");
    let mut list = TopicPartitionList::new();
    let topic = format!("{}-chat", place.name);
    let partition = at.partition.0.into();
    list.add_partition_offset(&topic, partition, Offset::Offset(below)).expect("an offset");
    let deleted = place
        .runtime
        .begin(async move { client.delete_records(&list, &AdminOptions::new()).await.map(drop) });
    wait(deleted.answer()).expect("it runs").expect("Kafka answers");
}
