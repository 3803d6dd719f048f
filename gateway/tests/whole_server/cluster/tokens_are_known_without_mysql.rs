//! What holds of a user's tokens is read in MySQL once: the next link costs it nothing, and is let in while it is away.
//! Whoever is not known has to wait until it is back, and whose token has ended stays out.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::cluster::clustered;
use crate::support::link::Link;
use crate::support::mysql_proxy::MysqlProxy;
use crate::support::platform::{IOS, WINDOWS};
use crate::support::server::{Server, Setup};

/// Of the store of tokens, while it is away.
const TOKENS_AWAY: &str = "cannot read the tokens";

fn behind_a_proxy() -> Option<(Server, MysqlProxy)> {
    let setup = clustered(Setup::new())?;
    let proxy = MysqlProxy::to(setup.setting("OPENIM_MYSQL_DBADDRESS"));
    let setup = setup
        .set("OPENIM_MYSQL_DBADDRESS", proxy.address())
        // Only what comes in asks.
        .set("OPENIM_CLUSTER_TOKENROUNDSECONDS", 86_400)
        .allow("MySQL cannot be reached")
        .allow(TOKENS_AWAY)
        .allow("cannot read the directory")
        .allow("archiving messages");
    Some((setup.start(), proxy))
}

#[test]
fn the_second_link_of_a_user_costs_no_statement() {
    let Some((server, mysql)) = behind_a_proxy() else { return };
    let alice = server.register("alice", IOS);
    let before = mysql.statements();
    let mut first = server.connect(&alice);
    let of_first = mysql.statements() - before;
    assert_eq!(first.newest(), 0);
    first.close();
    let before = mysql.statements();
    let mut again = server.connect(&alice);
    assert_eq!(again.newest(), 0);
    let of_next = mysql.statements() - before;
    println!(
        "statements of a link: {of_first} of a user's first, {of_next} of the next, with 1001"
    );
    assert_eq!(of_next, 0);
    assert!((2..=4).contains(&of_first), "{of_first}");
    // What holds is read again behind whatever changes it.
    let newer = server.login("alice", IOS);
    assert_eq!(again.drain_to_close().1, Some(1008));
    assert_eq!(server.refusal(&alice), 401);
    server.connect(&newer).close();
}

#[test]
fn links_of_who_is_known_are_let_in_while_mysql_is_away() {
    let Some((server, mysql)) = behind_a_proxy() else { return };
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    server.connect(&alice).close();
    let old = server.register("carol", WINDOWS);
    server.connect(&old).close();
    let carol = server.login("carol", WINDOWS);
    server.connect(&carol).close();
    mysql.set_away(true);
    let mut link = server.connect(&alice);
    link.say("alice", "m-1", "to myself");
    assert_eq!(link.newest(), 1);
    server.rest_send(&alice, "alice", "m-2", "over REST");
    server.at_rest();
    assert_eq!(link.newest(), 2);
    assert_eq!(server.refusal(&bob), 503, "nobody knows of bob");
    assert_eq!(server.refusal(&old), 401, "carol's token has ended");
    server.connect(&carol).close();
    // Whoever is let in between says nothing of MySQL, and does not end what is told of it.
    for seq in 3..6 {
        assert_eq!(server.refusal(&bob), 503);
        link.say("alice", &format!("m-{seq}"), "to myself");
        assert_eq!(link.newest(), seq);
        server.connect(&carol).close();
    }
    mysql.set_away(false);
    let deadline = Instant::now() + PATIENCE;
    while Link::open(server.ws(), &bob).is_err() {
        assert!(Instant::now() < deadline, "bob is let in when MySQL is back");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(server.refusal(&old), 401);
    // It is told to be well when it has been for some seconds.
    let again = "can read the tokens again";
    for number in 0.. {
        if server.log().iter().any(|line| line.contains(again)) {
            break;
        }
        assert!(Instant::now() < deadline, "it is well again");
        server.connect(&server.register(&format!("new{number}"), IOS)).close();
        sleep(Duration::from_millis(100));
    }
    let lines = |text: &str| server.log().iter().filter(|line| line.contains(text)).count();
    assert_eq!((lines(TOKENS_AWAY), lines(again)), (1, 1), "{:#?}", server.log());
}
