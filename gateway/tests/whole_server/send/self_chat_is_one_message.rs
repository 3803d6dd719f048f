//! A message to oneself is one entry in one inbox and one push to each other device.

use crate::support::platform::WEB;
use crate::support::server::Server;

#[test]
fn one_entry_and_one_push_to_the_other_device() {
    let server = Server::start();
    let mut phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let note = phone.say("alice", "note", "note to self");
    let push = web.pushed();
    assert_eq!(
        (&push["serverMsgID"], &push["seq"]),
        (&note.server_id.clone().into(), &1.into()),
        "{push}"
    );
    let inbox = phone.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let data = phone.pull(1, 1);
    assert_eq!(data["single"][0]["id"], "alice", "{data}");
    let second = phone.say("alice", "note2", "and another");
    let push = web.pushed();
    assert_eq!(
        (&push["serverMsgID"], &push["seq"]),
        (&second.server_id.into(), &2.into()),
        "{push}"
    );
}
