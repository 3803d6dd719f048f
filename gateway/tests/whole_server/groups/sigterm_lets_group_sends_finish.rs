//! A drain in the middle of sends to groups: the process ends well, and what was acknowledged is at every member once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::link::{Arrival, Link, group_message};
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::Setup;

/// Sends over one link until it is closed; the server ids by client id.
fn send_until_closed(
    to: std::net::SocketAddr,
    user: &User,
    group: &str,
    answered: &AtomicUsize,
) -> BTreeMap<String, String> {
    let mut link = Link::open(to, user).expect("it connects");
    let mut acked = BTreeMap::new();
    for n in 0.. {
        let data = group_message(group, &format!("{}-{n}", user.uid), "on the way out");
        let envelope = link.envelope(1003, &data);
        let message = tokio_tungstenite::tungstenite::Message::text(envelope.to_string());
        if link.try_send(message).is_err() {
            return acked;
        }
        loop {
            match link.arrival() {
                Arrival::Json(frame) if frame["reqIdentifier"] == 1003 => {
                    if frame["errCode"] == 0 {
                        let text =
                            |key: &str| frame["data"][key].as_str().expect("a text").to_owned();
                        answered.fetch_add(1, Ordering::SeqCst);
                        acked.insert(text("clientMsgID"), text("serverMsgID"));
                    }
                    break;
                }
                Arrival::Closed(_) => return acked,
                Arrival::Json(_) | Arrival::Pong(_) => {}
            }
        }
    }
    acked
}

#[test]
fn and_loses_none_that_it_acknowledged() {
    let mut server = Setup::new().set("OPENIM_LIMITS_FRAMESPERSECOND", 0).start();
    let users: Vec<User> = (0..30).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let (answered, begun) = (AtomicUsize::new(0), Instant::now());
    let acked: BTreeMap<String, String> = std::thread::scope(|scope| {
        let senders: Vec<_> = users[..4]
            .iter()
            .map(|user| {
                let (to, group, answered) = (server.ws(), &group, &answered);
                scope.spawn(move || send_until_closed(to, user, group, answered))
            })
            .collect();
        while answered.load(Ordering::SeqCst) < 40 && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.terminate();
        senders.into_iter().flat_map(|sender| sender.join().expect("its checks")).collect()
    });
    assert!(server.exit_status().success(), "it drained");
    assert!(acked.len() > 8, "the load was a load: {}", acked.len());
    server.restart();
    for user in users.iter().step_by(3) {
        let inbox = server.connect(user).inbox();
        for (client_id, server_id) in &acked {
            let found: Vec<_> =
                inbox.iter().filter(|message| message["clientMsgID"] == *client_id).collect();
            assert_eq!(found.len(), 1, "{client_id} at {}", user.uid);
            assert_eq!(found[0]["serverMsgID"], *server_id);
        }
    }
}
