//! A group larger than the lists of one request, with members of every shard, some online.

use serde_json::json;

use crate::support::link::{group_message, messages};
use crate::support::platform::IOS;
use crate::support::server::Setup;

const MEMBERS: usize = 2500;

#[test]
fn everybody_has_it_once_also_after_a_kill() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let owner = server.register("owner", IOS);
    let names: Vec<String> = (0..MEMBERS).map(|n| format!("m{n}")).collect();
    let users: Vec<_> = names.iter().map(|name| server.register(name, IOS)).collect();
    let group = server.group(&owner, &[]);
    for part in names.chunks(1000) {
        let uids: Vec<&str> = part.iter().map(String::as_str).collect();
        assert!(server.invite(&owner, &group, &uids).iter().all(|&result| result == 0));
    }
    let mut online: Vec<_> = users.iter().step_by(50).map(|user| server.connect(user)).collect();
    let mut sender = server.connect(&owner);
    let acks: Vec<_> = (0..3)
        .map(|n| sender.say_data(&group_message(&group, &format!("g-{n}"), "hello all")))
        .collect();
    for link in &mut online {
        for (n, ack) in acks.iter().enumerate() {
            let push = link.pushed();
            assert_eq!(push["serverMsgID"], ack.server_id, "{push}");
            assert_eq!(push["seq"], n as i64 + 1, "{push}");
        }
    }
    drop(online);
    server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", 2));
    for user in users.iter().step_by(70).chain([&owner]) {
        let mut link = server.connect(user);
        assert_eq!(link.newest(), 3, "{}", user.uid);
        let ids: Vec<_> = messages(&link.pull(1, 3))
            .iter()
            .map(|message| message["serverMsgID"].as_str().map(str::to_owned))
            .collect();
        let expected: Vec<_> = acks.iter().map(|ack| Some(ack.server_id.clone())).collect();
        assert_eq!(ids, expected, "{}", user.uid);
    }
    let info = server.done_as(
        &owner,
        "/group/get_groups_info",
        &json!({"operationID": "op", "groupIDList": [group]}),
    );
    assert_eq!(info["data"][0]["memberCount"], MEMBERS as i64 + 1);
}
