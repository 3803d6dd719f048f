//! A platform that does not exist cannot be connected from (the original let it in and lost its messages).

use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::Server;

#[test]
fn unknown_platform_ids_get_401() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for platform in ["0", "8", "99", "-1", "abc", ""] {
        let target = format!("/?sendID=alice&token={}&platformID={platform}", alice.token);
        assert_eq!(
            upgrade(server.ws(), "GET", &target, &UPGRADE).status,
            401,
            "platformID={platform}"
        );
    }
}
