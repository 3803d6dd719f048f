//! A new login kicks the live links whose token it supersedes: notice, close. Which ones is the policy's choice.

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::link::Link;
use crate::support::platform::{ANDROID, IOS, WEB, WINDOWS};
use crate::support::server::{Server, Setup};

const ONE: &str = "OPENIM_MULTILOGINPOLICY_ONLYONETERMINALACCESS";
const MOBILE_AND_PC: &str =
    "OPENIM_MULTILOGINPOLICY_MOBILEANDPCTERMINALACCESSBUTOTHERTERMINALKICKEACHOTHER";
const ALL: &str = "OPENIM_MULTILOGINPOLICY_ALLTERMINALACCESS";

fn policy(chosen: &str) -> Server {
    [ONE, MOBILE_AND_PC, ALL]
        .iter()
        .fold(Setup::new(), |setup, key| setup.set(key, *key == chosen))
        .start()
}

/// The platform whose login it was, as the notice says.
#[track_caller]
fn assert_kicked(mut link: Link) -> i64 {
    let (frames, _) = link.drain_to_close();
    assert_eq!(frames.len(), 1, "one notice: {frames:?}");
    assert_kick_notice(&frames[0], &link.user.uid, 303);
    frames[0]["data"]["senderPlatformID"].as_i64().expect("a number")
}

#[test]
fn by_default_a_login_kicks_its_own_class_only() {
    let server = Server::start();
    let phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let old = phone.user.clone();
    let mut tablet = server.connect(&server.login("alice", ANDROID));
    assert_eq!(assert_kicked(phone), ANDROID, "by which platform");
    assert_eq!(server.refusal(&old), 401);
    assert_eq!((web.newest(), tablet.newest()), (0, 0), "the PC stays, the new mobile is in");
    let mut windows = server.connect(&server.login("alice", WINDOWS));
    assert_eq!(assert_kicked(web), WINDOWS, "by which platform");
    assert_eq!((tablet.newest(), windows.newest()), (0, 0));
}

/// The kick does not wait for the new terminal to connect. (Two tokens of one platform and second would be one.)
#[test]
fn the_login_itself_kicks() {
    let server = Server::start();
    let phone = server.newcomer("alice");
    server.login("alice", ANDROID);
    assert_kicked(phone);
}

#[test]
fn only_one_terminal_means_one_of_any_class() {
    let server = policy(ONE);
    let phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    assert_kicked(phone);
    assert_eq!(web.newest(), 0);
    server.login("alice", IOS);
    assert_kicked(web);
}

#[test]
fn all_terminals_kick_nobody() {
    let server = policy(ALL);
    let mut phone = server.newcomer("alice");
    let first_token = phone.user.clone();
    let mut tablet = server.connect(&server.login("alice", ANDROID));
    let mut web = server.connect(&server.login("alice", WEB));
    server.login("alice", IOS);
    for link in [&mut phone, &mut tablet, &mut web] {
        assert_eq!(link.newest(), 0);
    }
    drop(phone);
    assert_eq!(server.connect(&first_token).newest(), 0, "an older token stays good");
}
