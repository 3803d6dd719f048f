//! C33: what was acknowledged is there after `kill -9`, under the same seqs. (`crash.rs` does it under load.)

use crate::support::link::Ack;
use crate::support::server::Server;

#[test]
fn c33_users_tokens_messages_and_seqs_survive_kills() {
    let mut server = Server::start();
    let alice = server.newcomer("alice").user;
    let bob = server.newcomer("bob").user;
    let mut acked: Vec<Ack> = Vec::new();
    for life in 0..4 {
        let mut link = server.connect(&alice);
        for n in 0..10 {
            acked.push(link.say("bob", &format!("{life}.{n}"), "keep me"));
        }
        server.kill();
        server.restart();
        for user in [&alice, &bob] {
            let inbox = server.connect(user).inbox();
            assert_eq!(inbox.len(), acked.len(), "{} after life {life}", user.uid);
            for (n, (message, ack)) in inbox.iter().zip(&acked).enumerate() {
                assert_eq!(message["seq"], n as i64 + 1);
                assert_eq!(message["serverMsgID"], *ack.server_id);
                assert_eq!(message["sendTime"], ack.send_time);
            }
        }
    }
}
