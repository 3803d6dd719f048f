//! Components that go away and come back.

use openim_record::{Seq, Topic};
use openim_storage::port::wait;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::archive::{archived, archiver};
use crate::killed::Load;
use crate::support::{Addresses, FRONTS, Own, Place, content, strangers, until};

/// A place with one component of its own.
fn with_own(name: &'static str, set: impl FnOnce(&mut Addresses, String)) -> Option<(Place, Own)> {
    let mut addresses = Addresses::given()?;
    let own = Own::up(name)?;
    set(&mut addresses, own.address());
    Some((Place::on(addresses), own))
}

#[test]
fn a_mongodb_that_is_killed_under_load_costs_nothing() {
    let Some((place, mongodb)) = with_own("mongodb", |of, address| of.mongodb = address) else {
        return;
    };
    let mut load = Load::default();
    let transfer = place.transfer();
    for _ in 0..2 {
        load.send(&place, 200);
        until("it is at work", || transfer.status().counts.stores > 0);
        mongodb.kill();
        load.send(&place, 100);
        until("it is missed", || !transfer.status().troubles.is_empty());
        mongodb.start_again();
        load.send(&place, 100);
    }
    load.check(&place);
    until("all is well", || transfer.status().troubles.is_empty());
    transfer.stop();
}

#[test]
fn a_kafka_that_is_killed_under_load_costs_nothing() {
    let Some((place, kafka)) = with_own("kafka", |of, address| of.kafka = address) else { return };
    let mut load = Load::default();
    let transfer = place.transfer();
    load.send(&place, 200);
    until("it is at work", || transfer.status().counts.stores > 0);
    kafka.kill();
    kafka.start_again();
    load.send(&place, 100);
    load.check(&place);
    until("all is well", || transfer.status().troubles.is_empty());
    transfer.stop();
}

#[test]
fn while_mysql_is_away_only_groups_that_nobody_remembers_wait() {
    let Some((place, mysql)) = with_own("mysql", |of, address| of.mysql = address) else { return };
    let [alice, bob] = strangers();
    for group in ["g1", "g2"] {
        place.make_group(group, &[&alice, &bob]);
    }
    let transfer = place.transfer();
    let archive = archiver(&place);
    let history = place.history();
    place.send_to_group(&alice, "g1", "m1");
    assert_eq!(place.inbox_of(&history, &bob, 1).len(), 1);
    mysql.kill();
    place.send(&alice, &bob, "m2");
    assert_eq!(place.inbox_of(&history, &bob, 2)[1], content(&alice, &bob, "m2"));
    place.send_to_group(&alice, "g2", "m3");
    for running in [&transfer, &archive] {
        until("it is missed", || !running.status().troubles.is_empty());
    }
    assert_eq!(place.newest(&history, &bob), Seq(2));
    mysql.start_again();
    assert_eq!(place.inbox_of(&history, &bob, 3)[2], content(&alice, "g2", "m3"));
    until("all is archived", || {
        archive.status().troubles.is_empty() && archived(&place).len() == 3
    });
    transfer.stop();
    archive.stop();
}

#[test]
fn while_redis_is_away_all_fronts_get_everything() {
    let Some((place, redis)) = with_own("redis", |of, address| of.redis = address) else { return };
    let [alice, bob] = strangers();
    let transfer = place.transfer();
    let mut sent = 0;
    let mut send = || {
        sent += 1;
        place.send(&alice, &bob, &format!("m{sent}"));
        for shard in 0..FRONTS {
            let front = place.gateway.front(shard);
            until("all fronts have it", || {
                place.gateway.given(front, &bob).last() == Some(&Seq(sent))
            });
        }
    };
    send();
    redis.kill();
    send();
    until("it is missed", || !transfer.status().troubles.is_empty());
    redis.start_again();
    until("it is found again, though nobody is sent anything", || {
        transfer.status().troubles.is_empty()
    });
    send();
    transfer.stop();
}

#[test]
fn a_log_that_is_made_anew_stops_its_partitions_until_somebody_has_looked() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let history = place.history();
    let transfer = place.transfer();
    for id in ["m1", "m2", "m3"] {
        place.send(&alice, &bob, id);
    }
    assert_eq!(place.inbox_of(&history, &bob, 3).len(), 3);
    until("all is covered", || transfer.status().oldest_ms.is_none());
    make_anew(&place);
    let homes = [&alice, &bob].map(|uid| place.home(uid));
    until("both stand still", || {
        let stopped = transfer.status().stopped;
        let is = |home| stopped.iter().any(|(at, _)| at.partition == home);
        homes.into_iter().all(is)
    });
    for (at, why) in transfer.status().stopped {
        assert_eq!(at.topic, Topic::Chat);
        assert!(homes.contains(&at.partition), "nothing was lost of {at:?}");
        assert!(why.contains("openim adopt-log"), "{why}");
        assert!(why.contains("(kafka.ws2mschat.topic)"), "{why}");
    }
    transfer.stop();
    // Also when it has become longer than the checkpoint says.
    for id in ["m4", "m5", "m6", "m7"] {
        place.send(&alice, &alice, id);
    }
    let transfer = place.transfer();
    until("alice's stands still", || {
        let stopped = transfer.status().stopped;
        stopped
            .iter()
            .any(|(at, why)| at.partition == homes[0] && why.contains("this is not the log"))
    });
    assert_eq!(place.newest(&history, &alice), Seq(3), "nothing of it is taken");
    transfer.stop();
}

/// Deletes the topic of sends and makes it again.
pub(crate) fn make_anew(place: &Place) {
    let topic = format!("{}-chat", place.name);
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &place.addresses.kafka)
        .create()
        .expect("a client");
    let deleted = place
        .runtime
        .begin(async move { client.delete_topics(&[&topic], &AdminOptions::new()).await });
    wait(deleted.answer()).expect("it runs").expect("Kafka answers");
    until("it is there again", || wait(place.kafka.ensure_topics()).is_ok());
}

#[test]
fn a_relay_that_the_log_refuses_stops_its_partition_and_is_not_lost() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    place.send(&alice, &bob, "m1");
    longest_of(&place, "100");
    let transfer = place.transfer();
    until("alice's stands still", || {
        let stopped = transfer.status().stopped;
        stopped.iter().any(|(at, why)| {
            at.partition == place.home(&alice) && why.contains("max.message.bytes")
        })
    });
    assert_eq!(transfer.status().counts.relays, 0);
    transfer.stop();
    longest_of(&place, "1000000");
    let transfer = place.transfer();
    assert_eq!(place.inbox_of(&place.history(), &bob, 1), [content(&alice, &bob, "m1")]);
    transfer.stop();
}

/// How long records of the topic of sends may be.
fn longest_of(place: &Place, bytes: &str) {
    let topic = format!("{}-chat", place.name);
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &place.addresses.kafka)
        .create()
        .expect("a client");
    let bytes = bytes.to_owned();
    let altered = place.runtime.begin(async move {
        let config = AlterConfig::new(ResourceSpecifier::Topic(&topic))
            .set("message.timestamp.type", "LogAppendTime")
            .set("max.message.bytes", &bytes);
        client.alter_configs([&config], &AdminOptions::new()).await
    });
    let altered = wait(altered.answer()).expect("it runs").expect("Kafka answers");
    altered.into_iter().for_each(|one| drop(one.expect("it is altered")));
}
