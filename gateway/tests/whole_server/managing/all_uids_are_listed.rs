//! `/manager/get_all_users_uid` lists everybody once, managers included, over as many pages as it takes.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::rest::op;
use crate::support::server::Setup;

const USERS: usize = 4200;

#[test]
fn thousands_come_whole() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let users = server.register_many("user", USERS);
    let mut expected: BTreeSet<String> = users.into_iter().map(|user| user.uid).collect();
    expected.extend(["openIM123456", "openIM654321"].map(str::to_owned));
    for _ in 0..2 {
        let answer =
            server.done_as(&server.manager(), "/manager/get_all_users_uid", &op(json!({})));
        assert_eq!(
            (&answer["errMsg"], answer.as_object().map(|all| all.len())),
            (&json!(""), Some(3))
        );
        let uids: Vec<&str> = answer["uidList"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|uid| uid.as_str().expect("a string"))
            .collect();
        assert_eq!(uids.len(), USERS + 2, "each once");
        assert!(uids.iter().all(|uid| expected.contains(*uid)));
        assert_eq!(uids.iter().collect::<BTreeSet<_>>().len(), uids.len());
        server.restart();
    }
}
