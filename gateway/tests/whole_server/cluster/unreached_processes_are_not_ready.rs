//! A process that no transfer can reach is not ready, and says which setting to look at; without any transfer it is. A
//! transfer is ready when it has its share.

use crate::support::cluster::clustered;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// Whoever is gone is forgotten soon.
fn short_leases() -> Option<Setup> {
    let setup = clustered(Setup::new())?.set("OPENIM_CLUSTER_LEASESECONDS", 5);
    // On a machine that is busy a beat may come too late, and what follows is told.
    Some(setup.allow(" WARN ").allow("no transfer reaches this process"))
}

#[test]
fn for_another_secret_or_a_wrong_address() {
    let Some(setup) = short_leases() else { return };
    let transfer = setup.clone().role("transfer").start();
    let good = setup.clone().role("gateway").start();
    let strange = setup.clone().set("OPENIM_CLUSTER_SECRET", "known to nobody else");
    // Nobody listens there, and nobody else may.
    let astray = setup.clone().set("OPENIM_CLUSTER_ADVERTISE", "127.0.0.1:1");
    let strange = ["gateway", "api"].map(|role| strange.clone().role(role).start());
    let astray = ["gateway", "api"].map(|role| astray.clone().role(role).start());
    for (servers, key) in [(&strange, "cluster.secret"), (&astray, "cluster.advertise")] {
        for server in servers {
            let why = server.says(503, key);
            assert!(why.contains("no transfer reaches this process"), "{why}");
            server.logged(&["no transfer reaches this process", key]);
        }
    }
    for why in [": cluster.secret must be the same", "; if it runs, its cluster.advertise"] {
        transfer.says(200, why);
        transfer.logged(&["deliveries have no stream", why]);
    }
    transfer.says(200, "deliveries have no stream to 127.0.0.1:1: ");
    good.is_well();
}

#[test]
fn while_no_transfer_is_alive_nobody_else_is_better() {
    let Some(setup) = short_leases() else { return };
    let front = ["gateway", "api"].map(|role| setup.clone().role(role).start());
    let say = || front.iter().for_each(|server| drop(server.says(200, "no transfer is alive")));
    let are_well = || front.iter().for_each(Server::is_well);
    say();
    let mut transfer = setup.role("transfer").start();
    are_well();
    let [alice, bob] = ["alice", "bob"].map(|uid| front[1].register(uid, IOS));
    let mut to_bob = crate::support::link::Link::open(front[0].ws(), &bob).expect("a link");
    front[1].rest_send(&alice, "bob", "m-1", "while there is one");
    assert_eq!(to_bob.pushed()["content"], "while there is one");
    transfer.kill();
    say();
    front[1].rest_send(&alice, "bob", "m-2", "while there is none");
    transfer.restart();
    assert_eq!(to_bob.pushed()["content"], "while there is none");
    are_well();
}

/// Partitions that a transfer owns.
fn owned(transfer: &Server) -> u32 {
    let metrics = call(transfer.operator(), "GET", "/metrics", &[], b"").text();
    let owned = metrics.lines().find_map(|line| line.strip_prefix("openim_transfer_partitions "));
    owned.and_then(|owned| owned.parse().ok()).expect("a figure")
}

#[test]
fn a_transfer_is_ready_when_it_has_its_share() {
    let Some(setup) = clustered(Setup::new()) else { return };
    // One of chats and one of groups.
    let setup = setup.set("OPENIM_CLUSTER_PARTITIONS", 1).set("OPENIM_GATEWAY_SHARDS", 1);
    let setup = setup.role("transfer");
    let first = setup.clone().start();
    first.becomes(200);
    assert_eq!(owned(&first), 2);
    // One of these has none.
    let others = [(); 2].map(|()| setup.clone().start());
    others.iter().for_each(Server::is_well);
    first.is_well();
}
