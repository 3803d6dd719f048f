//! The configured managers are registered at the start, log in like anybody, and stay as they were changed.

use serde_json::json;

use crate::support::platform::{IOS, WEB};
use crate::support::rest::{listed, op, registration};
use crate::support::server::{Server, Setup};

#[track_caller]
fn names(server: &Server, uids: &[&str]) -> Vec<String> {
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": uids }))).json();
    listed(&answer, "name").into_iter().map(str::to_owned).collect()
}

#[test]
fn the_default_ones_have_names_and_log_in() {
    let server = Server::start();
    let uids = ["openIM123456", "openIM654321"];
    assert_eq!(names(&server, &uids), ["AppManager1", "AppManager2"]);
    for uid in uids {
        let user = server.login(uid, WEB);
        let answer = server.done_as(&user, "/manager/get_all_users_uid", &op(json!({})));
        assert_eq!(answer["uidList"], json!(uids));
        assert_eq!(server.connect(&user).newest(), 0);
        let answer = server.post("/auth/user_register", &registration(uid, IOS));
        assert_eq!((answer.status, &answer.json()["errCode"]), (500, &json!(500)), "it exists");
    }
}

#[test]
fn a_restart_changes_nothing_of_them_and_other_configured_ones_come_to_be() {
    let mut server = Server::start();
    let manager = server.manager();
    server.done_as(&manager, "/user/update_user_info", &op(json!({"name": "The Boss"})));
    server.restart();
    assert_eq!(names(&server, &["openIM123456", "openIM654321"]), ["The Boss", "AppManager2"]);
    server.restart_with(|setup| setup.set("OPENIM_MANAGER_APPMANAGERUID", "root,openIM123456"));
    assert_eq!(names(&server, &["root", "openIM123456"]), ["AppManager1", "The Boss"]);
    let root = server.login("root", IOS);
    server.done_as(&root, "/manager/get_all_users_uid", &op(json!({})));
    let second = server.login("openIM654321", IOS);
    let answer = server.ask_as(&second, "/manager/get_all_users_uid", &op(json!({})));
    assert_eq!(answer["errCode"], 401, "who is not configured any more is none: {answer}");
}

#[test]
fn a_user_who_was_there_before_becomes_one_and_keeps_the_name() {
    let mut server = Setup::new().start();
    let alice = server.register("alice", IOS);
    server.restart_with(|setup| setup.set("OPENIM_MANAGER_APPMANAGERUID", "alice"));
    assert_eq!(names(&server, &["alice"]), ["name of alice"]);
    server.done_as(&alice, "/manager/get_all_users_uid", &op(json!({})));
}

#[test]
fn one_that_was_deleted_is_there_again_after_a_start() {
    let mut server = Server::start();
    let manager = server.manager();
    let delete = op(json!({"deleteUidList": ["openIM123456"]}));
    server.done_as(&manager, "/manager/delete_user", &delete);
    assert_eq!(names(&server, &["openIM123456", "openIM654321"]), ["AppManager2"]);
    server.restart();
    assert_eq!(names(&server, &["openIM123456"]), ["AppManager1"]);
}
