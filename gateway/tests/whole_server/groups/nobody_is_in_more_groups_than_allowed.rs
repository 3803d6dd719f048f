//! `limits.groupsPerUserMax` holds also for groups made, and users invited, at the same moment.

use serde_json::{Value, json};

use crate::support::groups::post_to;
use crate::support::platform::IOS;
use crate::support::rest::{User, plain, results, with_data};
use crate::support::server::{Server, Setup};

const MAX: usize = 4;

fn joined(server: &Server, user: &User) -> Vec<Value> {
    let answer =
        server.done_as(user, "/group/get_joined_group_list", &json!({"operationID": "op"}));
    answer["data"].as_array().expect("a list").clone()
}

#[test]
fn with_overlapping_members() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_GROUPSPERUSERMAX", MAX)
        .set("OPENIM_GATEWAY_SHARDS", 3)
        .start();
    let makers: Vec<User> = (0..6).map(|n| server.register(&format!("maker{n}"), IOS)).collect();
    let shared: Vec<User> = (0..4).map(|n| server.register(&format!("shared{n}"), IOS)).collect();
    let entered: usize = std::thread::scope(|scope| {
        let calls: Vec<_> = makers
            .iter()
            .map(|maker| {
                let to = server.rest();
                scope.spawn(move || make_and_invite(to, maker))
            })
            .collect();
        calls.into_iter().map(|call| call.join().expect("answered")).sum()
    });
    let mut counted = 0;
    for user in &shared {
        let joined = joined(&server, user);
        assert!(joined.len() <= MAX, "{}: {}", user.uid, joined.len());
        counted += joined.len();
    }
    assert_eq!(counted, entered, "what was answered is what is");
    for maker in &makers {
        for group in joined(&server, maker) {
            let id = group["groupId"].as_str().expect("an id");
            assert_eq!(group["memberCount"], server.roles(maker, id).len(), "{group}");
        }
    }
    // Whoever leaves one may enter another; one more is one too many.
    let group = server.group(&server.register("last", IOS), &[]);
    let full = joined(&server, &shared[0]);
    assert_eq!(full.len(), MAX, "everybody was wanted often enough");
    let last = server.login("last", IOS);
    assert_eq!(server.invite(&last, &group, &["shared0"]), [-1]);
    let body = json!({"operationID": "op", "groupID": full[0]["groupId"]});
    server.done_as(&shared[0], "/group/quit_group", &body);
    assert_eq!(server.invite(&last, &group, &["shared0", "shared0"]), [0, -1]);
    for _ in 1..MAX {
        server.group(&last, &[]);
    }
    let answer = server.ask_as(&last, "/group/create_group", &json!({"operationID": "op"}));
    assert_eq!(answer, plain(619, "create group chat failed"));
}

/// Makes groups with the first two of the shared, and invites the other two; how many of them it got.
fn make_and_invite(to: std::net::SocketAddr, maker: &User) -> usize {
    let mut entered = 0;
    for _ in 0..MAX {
        let listed = json!([{"uid": "shared0", "setRole": 0}, {"uid": "shared1", "setRole": 2}]);
        let mut body = json!({"operationID": "op", "memberList": listed});
        let mut answer = post_to(to, maker, "/group/create_group", &body).json();
        if answer == plain(619, "create group chat failed") {
            body["memberList"] = json!([]);
            answer = post_to(to, maker, "/group/create_group", &body).json();
        } else {
            entered += 2;
        }
        assert_eq!(answer["errCode"], 0, "{answer}");
        let body = json!({"operationID": "op", "groupID": answer["data"]["groupID"],
            "uidList": ["shared2", "shared0", "shared3"]});
        let answer = post_to(to, maker, "/group/invite_user_to_group", &body).json();
        assert_ne!(answer, with_data(800, "no permission", json!([])));
        entered += results(&answer).iter().filter(|result| **result == 0).count();
    }
    entered
}
