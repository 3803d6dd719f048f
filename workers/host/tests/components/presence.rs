//! Which fronts get what, by what is written in Redis.

use openim_record::{Announced, Entry, LinkId, Seq, UserId};
use openim_storage::port::wait;
use redis::AsyncCommands as _;

use crate::support::{FRONTS, Place, strangers, until};

#[test]
fn an_emptied_redis_costs_no_delivery() {
    let Some(place) = Place::new() else { return };
    let [alice, bob, carol] = strangers();
    let fronts: Vec<_> = (0..FRONTS).map(|shard| place.gateway.front(shard)).collect();
    // Bob is on the second front, and all entries are written.
    let entry = Entry { process: fronts[1], link: LinkId { index: 1, generation: 1 }, epoch: 0 };
    wait(place.presence.write(&UserId::new(&bob), 1, entry)).expect("written");
    for front in &fronts {
        wait(place.presence.announce(*front, Announced::All(1))).expect("announced");
    }
    let transfer = place.transfer();
    place.send(&alice, &bob, "m1");
    until("the front of bob has it", || place.gateway.given(fronts[1], &bob) == [Seq(1)]);
    until("it is settled", || !place.gateway.settled(fronts[0]).is_empty());
    assert!(place.gateway.given(fronts[0], &bob).is_empty(), "nobody else has");
    // Who is nowhere is to be notified; bob was reached, and alice has sent it.
    place.send(&alice, &carol, "m1");
    until("carol is to be notified", || transfer.status().counts.notices > 0);
    assert_eq!(transfer.status().counts.notices, 1);
    empty(&place);
    place.send(&alice, &bob, "m2");
    for front in &fronts {
        until("all have it", || place.gateway.given(*front, &bob).last() == Some(&Seq(2)));
    }
    transfer.stop();
}

/// Takes away all that the test has in Redis.
fn empty(place: &Place) {
    let (url, prefix) = (place.addresses.redis.clone(), place.name.clone());
    let emptied = place.runtime.begin(async move {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let keys: Vec<String> = connection.keys(format!("{prefix}:*")).await?;
        assert!(!keys.is_empty(), "there is something to empty");
        connection.del::<_, ()>(keys).await
    });
    wait(emptied.answer()).expect("it runs").expect("Redis answers");
}
