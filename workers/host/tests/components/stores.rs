//! Stores that go away and come back.

use crate::killed::Load;
use crate::support::{Own, Place, component, until};

#[test]
fn a_mongodb_that_is_killed_under_load_costs_nothing() {
    if component("OPENIM_TEST_MONGODB").is_none() {
        return;
    }
    let mongodb = Own::up("mongodb");
    let Some(place) = Place::on(mongodb.address()) else { return };
    let mut load = Load::default();
    let transfer = place.transfer();
    for _ in 0..2 {
        load.send(&place, 200);
        until("it is at work", || transfer.status().counts.stores > 0);
        mongodb.kill();
        load.send(&place, 100);
        until("it is missed", || !transfer.status().troubles.is_empty());
        mongodb.up_again();
        load.send(&place, 100);
    }
    load.check(&place);
    until("all is well", || transfer.status().troubles.is_empty());
    transfer.stop();
}

#[test]
fn a_kafka_that_is_killed_under_load_costs_nothing() {
    let Some(mongodb) = component("OPENIM_TEST_MONGODB") else { return };
    if component("OPENIM_TEST_KAFKA").is_none() {
        return;
    }
    let kafka = Own::up("kafka");
    let Some(place) = Place::on_both(mongodb, kafka.address()) else { return };
    let mut load = Load::default();
    let transfer = place.transfer();
    load.send(&place, 200);
    until("it is at work", || transfer.status().counts.stores > 0);
    kafka.kill();
    kafka.up_again();
    // Sends of before are answered or not; these are tried until they are.
    load.send(&place, 100);
    load.check(&place);
    until("all is well", || transfer.status().troubles.is_empty());
    transfer.stop();
}
