//! `openim transfer`, `openim gateway` twice and `openim api`: four processes are one server.

use crate::support::cluster::clustered;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn users_of_two_gateways_chat() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let transfer = setup.clone().role("transfer").start();
    let gateways = [(); 2].map(|()| setup.clone().role("gateway").start());
    let api = setup.clone().role("api").start();
    transfer.logged(&["partitions are shared out"]);
    let [alice, bob] = ["alice", "bob"].map(|uid| api.register(uid, IOS));
    let mut to_alice = Link::open(gateways[0].ws(), &alice).expect("a link");
    let mut to_bob = Link::open(gateways[1].ws(), &bob).expect("a link");
    to_alice.say("bob", "m-1", "from a link");
    assert_eq!(to_bob.pushed()["content"], "from a link");
    api.rest_send(&bob, "alice", "m-2", "by rest");
    assert_eq!(to_alice.pushed()["content"], "by rest");
    assert_eq!((to_alice.newest(), to_bob.newest()), (2, 2));

    // Who logs in again ends the link on the other gateway.
    let again = api.login("bob", IOS);
    let mut newer = Link::open(gateways[0].ws(), &again).expect("a link");
    assert_eq!(to_bob.drain_to_close().1, Some(1008));
    to_alice.say("bob", "m-3", "to the newer link");
    assert_eq!(newer.pushed()["content"], "to the newer link");

    for mut process in gateways.into_iter().chain([api, transfer]) {
        process.terminate();
        assert!(process.exit_status().success());
    }
}
