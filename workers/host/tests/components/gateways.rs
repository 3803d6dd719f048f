//! Gateways that come and go, as etcd tells it.

use openim_cluster::etcd::{Members, Options, Register};
use openim_record::Seq;
use tokio::sync::watch;

use crate::support::{Place, component, strangers, until};

#[test]
fn a_gateway_gets_what_is_sent_while_it_is_registered() {
    let Some(etcd) = component("OPENIM_TEST_ETCD") else { return };
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let options = Options {
        endpoints: vec![etcd],
        prefix: format!("/openim-test/{}", place.name),
        ..Options::default()
    };
    let register = Register::open(&place.runtime, options).expect("an address");
    let transfer = place.transfer_to(register.watch("gateway"));
    let notices = || transfer.status().counts.notices;
    // Nobody is there, which is known: it is stored, and bob is to be notified.
    place.send(&alice, &bob, "m1");
    until("bob is to be notified", || notices() == 1);
    let front = place.gateway.front(0);
    let registered = register.register("gateway", &place.gateway.member());
    let mut sent = 1;
    until("the gateway gets it", || {
        sent += 1;
        place.send(&alice, &bob, &format!("m{sent}"));
        until("it is delivered, or bob is to be notified", || {
            let given = place.gateway.given(front, &bob).last() == Some(&Seq(sent));
            given || notices() == sent
        });
        !place.gateway.given(front, &bob).is_empty()
    });
    let before = notices();
    drop(registered);
    until("bob is to be notified again", || {
        sent += 1;
        place.send(&alice, &bob, &format!("m{sent}"));
        place.inbox_of(&place.history(), &bob, usize::try_from(sent).expect("few"));
        notices() > before
    });
    transfer.stop();
}

#[test]
fn nobody_reads_before_the_gateways_are_known() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let (told, members) = watch::channel(Members::default());
    let transfer = place.transfer_to(members);
    place.send(&alice, &bob, "m1");
    assert!(!transfer.status().joined && transfer.status().owned.is_empty());
    told.send_replace([place.gateway.member()].into());
    let front = place.gateway.front(0);
    until("it is delivered", || place.gateway.given(front, &bob) == [Seq(1)]);
    assert!(transfer.status().joined);
    transfer.stop();
}
