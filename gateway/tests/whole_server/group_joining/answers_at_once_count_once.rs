//! Calls about one group at the same time: each answer is given once, bounds hold, and what was answered survives.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};

use serde_json::Value;

use super::{Staffed, answering, apply, asking, flags, roles};
use crate::support::http;
use crate::support::rest::User;
use crate::support::server::Setup;

const RESPONSE: &str = "/group/group_application_response";

/// Posts from any thread; the errCode.
fn code(to: SocketAddr, by: &User, path: &str, body: &Value) -> i64 {
    let headers = [("token", by.token.as_str())];
    let answer = http::call(to, "POST", path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["errCode"].as_i64().expect("a code")
}

#[test]
fn one_of_many_answers_is_taken() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    let users = server.register_many("user", 8);
    let rest = server.rest();
    for user in &users {
        apply(&server, user, &group);
        let body = |result| answering(&group, &user.uid, result);
        let calls = [(&owner, body(1)), (&admin, body(0)), (&owner, body(0)), (&admin, body(1))];
        let codes: Vec<i64> = std::thread::scope(|scope| {
            let calls: Vec<_> = calls
                .iter()
                .map(|(by, body)| scope.spawn(move || code(rest, by, RESPONSE, body)))
                .collect();
            calls.into_iter().map(|call| call.join().expect("it is answered")).collect()
        });
        let taken: Vec<usize> = (0..4).filter(|&n| codes[n] == 0).collect();
        assert_eq!(taken.len(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, 0 | 702)), "{codes:?}");
        let agreed = matches!(taken[0], 0 | 3);
        let of_user = |(uid, _): &&(String, i64)| *uid == user.uid;
        let (asked, members) = (flags(&server, &owner), roles(&server, &owner, &group));
        assert_eq!(asked.iter().find(of_user).map(|(_, flag)| *flag == 1), Some(agreed));
        assert_eq!(members.iter().any(|member| of_user(&member)), agreed, "{}", user.uid);
    }
}

#[test]
fn bounds_hold_against_all_at_once() {
    let setup = Setup::new()
        .set("OPENIM_LIMITS_GROUPREQUESTSMAX", 10)
        .set("OPENIM_LIMITS_GROUPMEMBERSMAX", 8);
    let Staffed { server, owner, group, .. } = Staffed::on(setup.start());
    let users = server.register_many("user", 24);
    let (rest, ask) = (server.rest(), asking(&group));
    let at_once = |call: &(dyn Fn(&User) -> i64 + Sync)| -> Vec<i64> {
        std::thread::scope(|scope| {
            let calls: Vec<_> = users.iter().map(|user| scope.spawn(move || call(user))).collect();
            calls.into_iter().map(|call| call.join().expect("it is answered")).collect()
        })
    };
    let codes = at_once(&|user| code(rest, user, "/group/join_group", &ask));
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 10, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 0 | 620)), "{codes:?}");
    let codes = at_once(&|user| code(rest, &owner, RESPONSE, &answering(&group, &user.uid, 1)));
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 5, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 0 | 702)), "{codes:?}");
    assert_eq!(roles(&server, &owner, &group).len(), 8);
    let asked = flags(&server, &owner);
    assert_eq!(asked.iter().filter(|(_, flag)| *flag == 0).count(), 5, "{asked:?}");
}

/// The uids whose request, and whose agreement, was answered with success before the server was gone.
#[derive(Default)]
struct Done {
    asked: Vec<String>,
    agreed: Vec<String>,
}

/// Whether a call was answered with success; false when the server is gone.
fn done(to: SocketAddr, by: &User, path: &str, body: &Value) -> bool {
    std::panic::catch_unwind(|| code(to, by, path, body)).is_ok_and(|code| code == 0)
}

/// Lets users ask and `owner` agree until the server is gone; says so after each user.
fn let_in(to: SocketAddr, users: &[User], owner: &User, group: &str, said: &Sender<()>) -> Done {
    let mut all = Done::default();
    for user in users {
        if !done(to, user, "/group/join_group", &asking(group)) {
            break;
        }
        all.asked.push(user.uid.clone());
        if !done(to, owner, RESPONSE, &answering(group, &user.uid, 1)) {
            break;
        }
        all.agreed.push(user.uid.clone());
        said.send(()).expect("the test listens");
    }
    all
}

/// A kill in the middle loses nothing that was answered.
#[test]
fn what_was_answered_before_a_kill_is_kept() {
    let Staffed { mut server, owner, group, .. } = Staffed::start();
    let users = server.register_many("user", 60);
    let (rest, (said, heard)) = (server.rest(), mpsc::channel());
    let all: Vec<Done> = std::thread::scope(|scope| {
        let workers: Vec<_> = users
            .chunks(15)
            .map(|part| {
                let (owner, group, said) = (&owner, &group, said.clone());
                scope.spawn(move || let_in(rest, part, owner, group, &said))
            })
            .collect();
        drop(said);
        for _ in 0..10 {
            heard.recv().expect("users are let in");
        }
        server.kill();
        workers.into_iter().map(|worker| worker.join().expect("it ends")).collect()
    });
    server.restart();
    let (kept, members) = (flags(&server, &owner), roles(&server, &owner, &group));
    for uid in all.iter().flat_map(|done| &done.asked) {
        assert!(kept.iter().any(|(from, _)| from == uid), "{uid} asked");
    }
    for uid in all.iter().flat_map(|done| &done.agreed) {
        assert!(kept.contains(&(uid.clone(), 1)), "{uid} was agreed to");
        assert!(members.contains(&(uid.clone(), 0)), "{uid} is in");
    }
    // Requests and members tell the same story.
    let agreed = kept.iter().filter(|(_, flag)| *flag == 1).count();
    assert_eq!(members.len(), 3 + agreed);
}
