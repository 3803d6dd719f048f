//! SIGTERM: what was accepted is answered, links are closed with 1001, the exit code is 0, and nothing is lost.

use std::time::Duration;

use crate::support::link::{Arrival, message};
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

#[test]
fn links_get_1001_and_the_exit_code_is_0() {
    let mut server = Server::start();
    let links: Vec<_> = (0..6).map(|n| server.newcomer(&format!("user{n}"))).collect();
    server.terminate();
    for mut link in links {
        let (frames, code) = link.drain_to_close();
        assert_eq!((frames.len(), code), (0, Some(1001)), "{frames:?}");
    }
    assert_eq!(server.exit_status().code(), Some(0));
}

#[test]
fn ctrl_c_drains_as_well() {
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    server.signal("INT");
    assert_eq!(alice.drain_to_close().1, Some(1001));
    assert_eq!(server.exit_status().code(), Some(0));
}

/// Links closed one a second would take a minute; the drain ends when its time is over, or at a second signal.
#[test]
fn a_drain_ends_in_its_time_and_at_once_when_asked_twice() {
    let slow = || {
        Setup::new().set("OPENIM_GATEWAY_CLOSEPERSECOND", 1).allow("drain").allow("second signal")
    };
    let mut server = slow().set("OPENIM_GATEWAY_DRAINSECONDS", 1).start();
    let links: Vec<_> = (0..60).map(|n| server.newcomer(&format!("user{n}"))).collect();
    server.terminate();
    assert_eq!(server.exit_status().code(), Some(0), "in time");
    drop(links);
    let mut server = slow().set("OPENIM_GATEWAY_DRAINSECONDS", 600).start();
    let _links: Vec<_> = (0..60).map(|n| server.newcomer(&format!("user{n}"))).collect();
    // Equal signals that come at once may be one; a few of them are two. They are asked for in a tenth of the time
    // that the drain would take.
    let asked_twice = (0..20).any(|_| {
        server.terminate();
        server.ends_within(Duration::from_millis(300))
    });
    assert!(asked_twice, "the second signal stops at once");
}

#[test]
fn an_idle_server_exits_with_0_and_frees_the_data() {
    let mut server = Server::start();
    let alice = server.register("alice", IOS);
    server.terminate();
    assert_eq!(server.exit_status().code(), Some(0));
    server.restart();
    assert_eq!(server.connect(&alice).newest(), 0, "users and tokens are still there");
}

#[test]
fn what_was_accepted_before_the_signal_is_answered_and_kept() {
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    for n in 0..100 {
        let envelope = alice.envelope(1003, &message("bob", &format!("m{n}"), "hello"));
        alice.send_text(envelope);
    }
    // One reply shows that the server is in the middle of it.
    let mut acked = vec![alice.reply()["data"]["serverMsgID"].clone()];
    server.terminate();
    loop {
        match alice.arrival() {
            Arrival::Json(reply) if reply["errCode"] == 0 => {
                acked.push(reply["data"]["serverMsgID"].clone())
            }
            Arrival::Json(_) | Arrival::Pong(_) => {}
            Arrival::Closed(code) => {
                assert_eq!(code, Some(1001));
                break;
            }
        }
    }
    assert_eq!(server.exit_status().code(), Some(0));
    server.restart();
    let mut alice = server.connect(&alice.user);
    let kept: Vec<_> = alice.inbox().iter().map(|message| message["serverMsgID"].clone()).collect();
    assert!(kept.len() >= acked.len());
    assert_eq!(kept[..acked.len()], acked[..], "acknowledged in order, kept in order");
    assert_eq!(alice.newest(), kept.len() as i64);
}
