//! C23: sender and receiver both pull the message, same server id, each under his own seq.

use crate::support::server::Server;

#[test]
fn c23_each_inbox_has_its_own_seq() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    alice.say("carol", "elsewhere1", "takes alice's seq 1");
    alice.say("dave", "elsewhere2", "takes alice's seq 2");
    let ack = alice.say("bob", "m", "shared");
    bob.push();
    let (sent, received) = (alice.inbox(), bob.inbox());
    assert_eq!((sent.len(), received.len()), (3, 1));
    assert_eq!(
        (&sent[2]["serverMsgID"], &received[0]["serverMsgID"]),
        (&ack.server_id.clone().into(), &ack.server_id.clone().into())
    );
    assert_eq!((&sent[2]["seq"], &received[0]["seq"]), (&3.into(), &1.into()));
    for key in
        ["sendID", "recvID", "content", "sendTime", "senderPlatformID", "contentType", "msgFrom"]
    {
        assert_eq!(sent[2][key], received[0][key], "{key}");
    }
}
