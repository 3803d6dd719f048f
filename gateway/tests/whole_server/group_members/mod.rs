//! `/group`: who is in a group, who lets others in and out, and who reads of it.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::Server;

mod all_members_are_read_by_members;
mod anyone_but_the_owner_quits;
mod bodies_and_tokens_are_checked;
mod calls_at_once_keep_the_rules;
mod groups_end;
mod ids_that_can_be_none_harm_nobody;
mod leaders_remove_members;
mod long_lists_are_told_whole;
mod managers_calls_are_told;
mod managers_make_groups_for_others;
mod members_are_found_by_uid;
mod members_come_in_pages;
mod members_let_others_in;
mod only_the_owner_hands_over;
mod who_makes_a_group_owns_it;

/// Everybody of a group as `by` sees them, written `uid role`.
#[track_caller]
fn roles(server: &Server, by: &User, group: &str) -> Vec<String> {
    server.roles(by, group).into_iter().map(|(uid, role)| format!("{uid} {role}")).collect()
}

/// alice owns a group, bob and bea are its administrators, carol and cleo ordinary members.
fn led() -> (Server, [User; 5], String) {
    let server = Server::start();
    let users = ["alice", "bob", "bea", "carol", "cleo"].map(|uid| server.register(uid, IOS));
    let roles = [2, 2, 0, 0];
    let listed: Vec<Value> = users[1..]
        .iter()
        .zip(roles)
        .map(|(user, role)| json!({"uid": user.uid, "setRole": role}))
        .collect();
    let body = op(json!({ "memberList": listed }));
    let made = server.done_as(&users[0], "/group/create_group", &body);
    let group = made["data"]["groupID"].as_str().expect("a group id").to_owned();
    (server, users, group)
}
