//! `limits.groupFanoutMax` counts deliveries under way: whatever becomes of a send, its part is given back, so that the
//! next ones are taken.

use serde_json::json;

use crate::support::groups::post_to;
use crate::support::link::{Link, group_message};
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body};
use crate::support::server::Setup;

const MEMBERS: usize = 60;
const ROUNDS: usize = 40;

#[test]
fn after_sends_of_every_kind() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 3)
        .set("OPENIM_LIMITS_GROUPFANOUTMAX", 1000)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let users: Vec<User> =
        (0..MEMBERS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let stranger = server.register("stranger", IOS);
    std::thread::scope(|scope| {
        for (n, user) in users[..3].iter().enumerate() {
            let (ws, rest, group, stranger) = (server.ws(), server.rest(), &group, &stranger);
            scope.spawn(move || {
                let mut link = Link::open(ws, user).expect("it connects");
                for round in 0..ROUNDS {
                    // Seen by nobody who is not there; seen again; refused; given up on.
                    let mut data = group_message(group, &format!("e{n}-{round}"), "typing");
                    data["options"] = json!({"history": 0, "persistent": round % 2});
                    link.say_data(&data);
                    let data = group_message(group, &format!("g{n}-{round}"), "hello");
                    let ack = link.say_data(&data);
                    assert_eq!(link.say_data(&data), ack);
                    let body = group_body(stranger, group, "s", "hello");
                    let refused = post_to(rest, stranger, "/chat/send_msg", &body).json();
                    assert_eq!(refused["errCode"], 800, "{refused}");
                    let mut gone = Link::open(ws, user).expect("it connects");
                    gone.send_text(json!({"reqIdentifier": 1003, "token": user.token,
                        "sendID": user.uid, "operationID": "op", "msgIncr": 1,
                        "data": group_message(group, &format!("x{n}-{round}"), "bye")}));
                    drop(gone);
                    link = Link::open(ws, user).expect("it connects");
                }
            });
        }
    });
    let mut link = server.connect(&users[0]);
    for n in 0..30 {
        link.say_data(&group_message(&group, &format!("last{n}"), "last"));
    }
    for user in [&users[1], &users[MEMBERS - 1]] {
        let inbox = server.connect(user).inbox();
        let of = |content: &str| inbox.iter().filter(|one| one["content"] == content).count();
        assert_eq!((of("hello"), of("last")), (3 * ROUNDS, 30), "{}", user.uid);
    }
}

#[test]
fn the_same_send_over_many_ways_at_once_is_one() {
    let server = Setup::new().set("OPENIM_LIMITS_GROUPFANOUTMAX", 1000).start();
    let users: Vec<User> =
        (0..MEMBERS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    for round in 0..40 {
        let body = group_body(&users[0], &group, &format!("m{round}"), "hello");
        let ids: Vec<String> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4)
                .map(|_| {
                    let (to, user, body) = (server.rest(), &users[0], &body);
                    scope.spawn(move || post_to(to, user, "/chat/send_msg", body).json())
                })
                .collect();
            calls
                .into_iter()
                .map(|call| call.join().expect("answered"))
                .map(|answer| answer["data"]["serverMsgID"].as_str().expect("an id").to_owned())
                .collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{ids:?}");
    }
    for user in [&users[0], &users[7]] {
        assert_eq!(server.connect(user).inbox().len(), 40, "{}", user.uid);
    }
}
