//! `/manager/delete_user` takes a user out of all groups: the members are told, the owner's place passes on, and with
//! the last member the group ends.

use serde_json::{Value, json};

use crate::support::groups::post_to;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::{Server, Setup};

fn delete(server: &Server, uids: &[&str]) {
    let body = op(json!({ "deleteUidList": uids }));
    server.done_as(&server.manager(), "/manager/delete_user", &body);
}

/// A group of `owner` with these members, who joined in this order, a moment apart.
fn group(server: &Server, owner: &User, members: &[(&User, i64)]) -> String {
    let body = op(json!({"memberList": []}));
    let made = server.done_as(owner, "/group/create_group", &body);
    let mut group = made["data"]["groupID"].as_str().expect("a group id").to_owned();
    if members.iter().any(|(_, role)| *role != 0) {
        let listed: Vec<Value> =
            members.iter().map(|(user, role)| json!({"uid": user.uid, "setRole": role})).collect();
        let made =
            server.done_as(owner, "/group/create_group", &op(json!({ "memberList": listed })));
        group = made["data"]["groupID"].as_str().expect("a group id").to_owned();
    } else {
        for (user, _) in members {
            assert_eq!(server.invite(owner, &group, &[&user.uid]), [0]);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    group
}

fn roles(server: &Server, by: &User, group: &str) -> Vec<String> {
    let roles = server.roles(by, group).into_iter();
    roles.map(|(uid, role)| format!("{uid} {role}")).collect()
}

/// Content type, who says so, and what: of the last messages of an inbox.
fn told(server: &Server, user: &User, count: usize) -> Vec<(Value, Value)> {
    let inbox = server.connect(user).inbox();
    let last = inbox.iter().skip(inbox.len() - count);
    last.map(|tip| {
        let content: Value =
            serde_json::from_str(tip["content"].as_str().expect("text")).expect("JSON");
        let detail = content["detail"].as_str().expect("text");
        (tip["contentType"].clone(), serde_json::from_str(detail).expect("JSON"))
    })
    .collect()
}

#[test]
fn members_go_and_the_others_are_told() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let [ann, bob, cat] = ["ann", "bob", "cat"].map(|uid| server.register(uid, IOS));
    let first = group(&server, &ann, &[(&bob, 0), (&cat, 0)]);
    let second = group(&server, &ann, &[(&bob, 0)]);
    delete(&server, &["bob"]);
    for _ in 0..2 {
        assert_eq!(roles(&server, &ann, &first), ["ann 1", "cat 0"]);
        assert_eq!(roles(&server, &ann, &second), ["ann 1"]);
        server.restart();
    }
    let tips = told(&server, &cat, 1);
    assert_eq!(tips[0].0, 509);
    assert_eq!(tips[0].1["groupID"], json!(first));
    assert_eq!(tips[0].1["uidListInfo"][0]["userId"], "bob");
    assert_eq!(server.connect(&ann).newest(), 2, "one for each group");
    // What is sent from now on does not reach who registers under the uid.
    let bob = server.register("bob", IOS);
    server.connect(&ann).say_data(&group_message(&first, "m", "to all"));
    assert_eq!(server.connect(&bob).inbox(), [] as [Value; 0]);
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"], json!([]));
    delete(&server, &["bob", "nobody"]);
    assert_eq!(server.connect(&cat).newest(), 2, "there was nothing more to tell");
}

#[test]
fn an_administrator_becomes_owner_before_anybody_else() {
    let server = Server::start();
    let [ann, bob, cat] = ["ann", "bob", "cat"].map(|uid| server.register(uid, IOS));
    let group = group(&server, &ann, &[(&bob, 0), (&cat, 2)]);
    delete(&server, &["ann"]);
    assert_eq!(roles(&server, &bob, &group), ["bob 0", "cat 1"]);
    let tips = told(&server, &bob, 2);
    assert_eq!((&tips[0].0, &tips[1].0), (&json!(501), &json!(509)));
    let detail = &tips[0].1;
    assert_eq!(
        (&detail["GroupID"], &detail["OldOwner"], &detail["NewOwner"]),
        (&json!(group), &json!("ann"), &json!("cat"))
    );
    assert_eq!(server.kick(&cat, &group, &["bob"]), [0], "who owns it now leads it");
}

#[test]
fn else_who_joined_first_does_and_none_who_is_deleted_too() {
    let server = Server::start();
    let [ann, bob, cat, dan] = ["ann", "bob", "cat", "dan"].map(|uid| server.register(uid, IOS));
    let first = group(&server, &ann, &[(&dan, 0), (&bob, 0), (&cat, 0)]);
    delete(&server, &["ann"]);
    assert_eq!(roles(&server, &bob, &first), ["bob 0", "cat 0", "dan 1"]);
    delete(&server, &["dan", "bob"]);
    assert_eq!(roles(&server, &cat, &first), ["cat 1"]);
    let second = group(&server, &cat, &[]);
    delete(&server, &["cat"]);
    let eve = server.register("eve", IOS);
    let info = op(json!({ "groupIDList": [first, second] }));
    let groups = server.done_as(&eve, "/group/get_groups_info", &info);
    assert_eq!(groups["data"], json!([]), "with the last member a group ends");
    let cat = server.register("cat", IOS);
    let joined = server.done_as(&cat, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"], json!([]));
}

/// What was under way when the user was deleted, theirs or others', brings them into no group any more.
#[test]
fn calls_under_way_bring_nobody_back() {
    const ROUNDS: usize = 24;
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let [ann, bob] = ["ann", "bob"].map(|uid| server.register(uid, IOS));
    let open = group(&server, &ann, &[(&bob, 0)]);
    let users: Vec<User> = (0..ROUNDS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let (to, manager) = (server.rest(), server.manager());
    for user in &users {
        let start = std::sync::Barrier::new(4);
        let call = |by: &User, path: &str, body: Value| {
            start.wait();
            post_to(to, by, path, &op(body));
        };
        let with = |uid: &str| json!({"memberList": [{"uid": uid, "setRole": 0}]});
        let invitation = json!({"groupID": open, "uidList": [user.uid], "reason": ""});
        let deletion = json!({"deleteUidList": [user.uid]});
        std::thread::scope(|scope| {
            scope.spawn(|| call(&bob, "/group/create_group", with(&user.uid)));
            scope.spawn(|| call(user, "/group/create_group", with("bob")));
            scope.spawn(|| call(&ann, "/group/invite_user_to_group", invitation));
            call(&manager, "/manager/delete_user", deletion);
        });
    }
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    let groups = joined["data"].as_array().expect("groups");
    assert!(!groups.is_empty());
    for group in groups {
        let group = group["groupId"].as_str().expect("an id");
        for (uid, _) in server.roles(&bob, group) {
            assert!(!uid.starts_with("user"), "{uid} is in a group and is deleted");
        }
    }
}
