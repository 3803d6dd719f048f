//! `openim serve` with `engine: cluster`: people chat, and what was said is there after a stop and a start.

use crate::support::cluster::clustered;
use crate::support::link::column;
use crate::support::server::Setup;

#[test]
fn what_is_said_arrives_and_stays() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let mut server = setup.start();
    server.logged(&["partitions are shared out"]);
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    for number in 0..3 {
        alice.say("bob", &format!("m-{number}"), &format!("hello {number}"));
    }
    for number in 0..3 {
        assert_eq!(bob.pushed()["content"], format!("hello {number}"));
    }
    let again = alice.say("bob", "m-1", "hello 1");
    assert_eq!(again.client_id, "m-1");
    assert_eq!(alice.newest(), 3);
    assert_eq!(bob.newest(), 3, "a repeat is no second message");
    alice.close();
    bob.close();

    server.terminate();
    assert!(server.exit_status().success());
    server.restart();
    let bob = server.login("bob", crate::support::platform::IOS);
    let mut bob = server.connect(&bob);
    let inbox = bob.inbox();
    assert_eq!(column(&inbox, "content"), ["hello 0", "hello 1", "hello 2"]);
    bob.close();
}
