//! A link that comes while Redis stands still, or is gone, is let in by what MySQL says of its token, before its client gives
//! it up; whose token has ended stays out.

use std::time::Duration;

use openim_cluster::testing::Own;

use crate::support::cluster::clustered_on;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

/// The wait of a client, `websocketTimeOut`.
const CLIENT_WAITS: Duration = Duration::from_secs(10);

/// What a client of that user finds.
fn comes(server: &Server, user: &User) -> Result<Link, String> {
    let (told, tells) = std::sync::mpsc::channel();
    let (to, user) = (server.ws(), user.clone());
    std::thread::spawn(move || {
        let link = Link::open(to, &user).map_err(|refused| refused.to_string());
        drop(told.send(link));
    });
    tells.recv_timeout(CLIENT_WAITS).unwrap_or_else(|_| Err("gave up".to_owned()))
}

#[test]
fn links_are_let_in_while_redis_is_away() {
    let Some(own) = Own::up("redis") else { return };
    let Some(setup) = clustered_on(Setup::new(), Some(&own)) else { return };
    let server = setup.allow(" WARN ").allow(" ERROR ").start();
    let [alice, bob, old] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let carol = server.login("carol", IOS);
    server.connect(&alice).close();
    let meet = |when: &str| {
        // Known before and not, one after the other: the first meets a mark that stands, others none.
        for user in [&alice, &bob, &carol, &alice] {
            let mut link = comes(&server, user).unwrap_or_else(|why| panic!("{when}: {why}"));
            link.newest();
            link.close();
        }
        assert_eq!(server.refusal(&old), 401, "{when}");
    };
    server.is_well();
    let stalled = own.stalled();
    meet("it stands still");
    drop(stalled);
    server.is_well();
    own.kill();
    meet("it is gone");
    own.start_again();
    server.is_well();
    meet("it is back");
}
