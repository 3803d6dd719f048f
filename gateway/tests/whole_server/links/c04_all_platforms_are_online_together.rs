//! C04: one user's platforms are online together and each receives every push.

use crate::support::link::Link;
use crate::support::platform::{IOS, WEB};
use crate::support::server::{Server, Setup};

#[test]
fn c04_mobile_and_pc_both_receive_every_push_by_default() {
    let server = Server::start();
    let mut bob = server.newcomer("bob");
    let mut phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    for n in 0..5 {
        let ack = bob.say("alice", &format!("m{n}"), "to both");
        for device in [&mut phone, &mut web] {
            assert_eq!(device.pushed()["serverMsgID"], *ack.server_id);
        }
    }
}

#[test]
fn c04_seven_platforms_are_online_when_the_policy_lets_them() {
    let server = Setup::new()
        .set(
            "OPENIM_MULTILOGINPOLICY_MOBILEANDPCTERMINALACCESSBUTOTHERTERMINALKICKEACHOTHER",
            "false",
        )
        .set("OPENIM_MULTILOGINPOLICY_ALLTERMINALACCESS", "true")
        .start();
    let mut bob = server.newcomer("bob");
    server.register("alice", IOS);
    let mut devices: Vec<Link> =
        (1..=7).map(|platform| server.connect(&server.login("alice", platform))).collect();
    let ack = bob.say("alice", "m", "to all seven");
    for device in &mut devices {
        assert_eq!(
            device.pushed()["serverMsgID"],
            *ack.server_id,
            "platform {}",
            device.user.platform
        );
    }
}
