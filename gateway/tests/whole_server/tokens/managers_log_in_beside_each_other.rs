//! App servers that share a manager's uid do not end each other's tokens, under any login policy.

use serde_json::json;

use crate::support::platform::{IOS, WEB};
use crate::support::rest::op;
use crate::support::server::{Server, Setup};

const ONE: &str = "OPENIM_MULTILOGINPOLICY_ONLYONETERMINALACCESS";

#[test]
fn all_their_tokens_are_good() {
    for setup in [Setup::new(), Setup::new().set(ONE, true)] {
        let mut server = setup.start();
        let managers = [server.manager(), server.manager(), server.login("openIM123456", WEB)];
        let mut link = server.connect(&managers[0]);
        server.manager();
        assert_eq!(link.newest(), 0, "no login closes a link");
        for _ in 0..2 {
            for manager in &managers {
                server.done_as(manager, "/manager/get_all_users_uid", &op(json!({})));
            }
            server.restart();
        }
        // Users are under the policy as ever.
        let old = server.register("alice", IOS);
        server.login("alice", IOS);
        assert_eq!(server.refusal(&old), 401);
    }
}

#[test]
fn who_is_a_manager_no_more_is_under_the_policy() {
    let mut server = Server::start();
    let (old, new) = (server.manager(), server.manager());
    server.restart_with(|setup| setup.set("OPENIM_MANAGER_APPMANAGERUID", "root"));
    assert_eq!(server.refusal(&old), 401);
    assert_eq!(server.connect(&new).newest(), 0);
}
