//! L9: a group send that is admitted after a removal was answered does not reach the removed member; the
//! tips that tell of the removal do.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::http::call;
use crate::support::link::{column, group_message};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::group_body;
use crate::support::server::{Server, Setup};

#[test]
fn what_was_sent_before_and_nothing_else() {
    let server = Setup::new().set("OPENIM_LIMITS_FRAMESPERSECOND", 0).start();
    let users: Vec<_> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    let removed = AtomicBool::new(false);
    // Several writers while somebody is removed: what they begin afterwards must not arrive.
    let after: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|n| {
                let (rest, user, group, removed) = (server.rest(), &users[n], &group, &removed);
                scope.spawn(move || {
                    let mut after = Vec::new();
                    for number in 0..400 {
                        let is_after = removed.load(Ordering::SeqCst);
                        let body =
                            group_body(user, group, &format!("w{n}-{number}"), "are you there");
                        let headers = [("token", user.token.as_str())];
                        let body = body.to_string();
                        let sent = call(rest, "POST", "/chat/send_msg", &headers, body.as_bytes());
                        let answer = sent.json();
                        assert_eq!(answer["errCode"], 0, "{answer}");
                        if is_after {
                            let id = answer["data"]["serverMsgID"].as_str().expect("an id");
                            after.push(id.to_owned());
                        }
                        if after.len() == 20 {
                            break;
                        }
                    }
                    after
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert_eq!(server.kick(&users[0], &group, &["user2"]), [0]);
        removed.store(true, Ordering::SeqCst);
        writers.into_iter().flat_map(|writer| writer.join().expect("it wrote")).collect()
    });
    assert!(after.len() >= 2, "something was sent afterwards");
    let inbox = server.connect(&users[2]).inbox();
    let ids: Vec<_> = column(&inbox, "serverMsgID");
    for id in &after {
        assert!(!ids.iter().any(|known| known.as_str() == Some(id)), "{id} reached the removed");
    }
    let kept = server.connect(&users[1]).inbox();
    for id in &after {
        assert!(kept.iter().any(|message| message["serverMsgID"] == *id), "{id} reached a member");
    }
}

#[test]
fn the_tips_that_tell_of_it_reach_them() {
    let server = Server::start();
    let users: Vec<_> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    let mut gone = server.connect(&users[2]);
    server.kick(&users[0], &group, &["user2"]);
    // What an SDK of v1.0.x sends after its call was answered.
    let detail = json!({"groupID": group, "uidListInfo": [{"userId": "user2"}, {"userId": "user9"}],
        "reason": "", "operationID": "op"});
    let content = json!({"isDisplay": 1, "defaultTips": "out", "detail": detail.to_string()});
    let mut data = group_message(&group, "tip", &content.to_string());
    data["contentType"] = json!(509);
    server.connect(&users[0]).say_data(&data);
    let push = gone.pushed();
    assert_eq!(
        (push["contentType"].as_i64(), push["recvID"].as_str()),
        (Some(509), Some(&*format!("user2 {group}")))
    );

    // Who leaves says so to the group, as a member no more, and has it as well.
    let body = json!({"operationID": "op", "groupID": group});
    server.done_as(&users[1], "/group/quit_group", &body);
    let mut tip =
        group_message(&group, "bye", "{\"isDisplay\":1,\"defaultTips\":\"\",\"detail\":\"\"}");
    tip["contentType"] = json!(505);
    let mut left = server.connect(&server.login("user1", WEB));
    left.say_data(&tip);
    assert_eq!(left.inbox().last().expect("its own tip")["contentType"], 505);
    // Nothing else of theirs is taken.
    let refused = left.request(1003, &group_message(&group, "more", "hello?"));
    assert_eq!(refused["errCode"], 800, "{refused}");
    tip["clientMsgID"] = json!("bye again");
    assert_eq!(left.request(1003, &tip)["errCode"], 800, "once is enough");
    tip["clientMsgID"] = json!("fake");
    let refused = server.connect(&users[2]).request(1003, &{
        tip["contentType"] = json!(509);
        tip["content"] = json!("not a tip");
        tip
    });
    assert_eq!(refused["errCode"], 200, "{refused}");
}

#[test]
fn who_was_removed_says_no_farewell() {
    let server = Server::start();
    let users: Vec<_> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    server.kick(&users[0], &group, &["user1"]);
    let mut farewell = group_message(&group, "bye", "buy now");
    farewell["contentType"] = json!(505);
    let refused = server.connect(&users[1]).request(1003, &farewell);
    assert_eq!(refused["errCode"], 800, "{refused}");
    assert_eq!(server.connect(&users[2]).newest(), 0);
}
