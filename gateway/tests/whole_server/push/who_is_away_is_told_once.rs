//! Who has no mobile terminal there gets one notice of each message, and who has one, wrote it, or wants none gets none.

use serde_json::json;

use super::{Service, figure, no_push, telling, until};
use crate::support::platform::{ANDROID, IOS, WEB};
use crate::support::rest::{op, send_body};

#[test]
fn of_each_message_there_is_one_notice() {
    if no_push() {
        return;
    }
    let service = Service::start();
    let server = telling(&service).start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let change = op(json!({"name": "Ann"}));
    server.done_as(&ann, "/user/update_user_info", &change);
    for n in 1..=3 {
        server.rest_send(&ann, "bob", &format!("m{n}"), &format!("hello {n}"));
    }
    let told = service.told_of("bob", 3);
    for (n, notice) in told.iter().enumerate() {
        let n = n + 1;
        assert_eq!(
            (&notice["title"], &notice["text"]),
            (&json!("Ann"), &json!(format!("hello {n}")))
        );
        assert_eq!(notice["seq"], json!(n), "{notice}");
        // All that bob had not got when this one was told.
        let badge = notice["badge"].as_u64().expect("a number");
        assert!((n as u64..=3).contains(&badge), "{notice}");
        assert_eq!((&notice["from"], &notice["chatType"]), (&json!("ann"), &json!(1)));
    }
    // Of what is no text, picture, voice, video or file nobody is told; of a picture not what is in it.
    for (n, kind) in [(4, 110), (5, 102)] {
        let mut body = send_body(&ann, "bob", &format!("m{n}"), "{}");
        body["data"]["contentType"] = json!(kind);
        server.done_as(&ann, "/chat/send_msg", &body);
    }
    let told = service.told_of("bob", 4);
    assert_eq!((told.len(), &told[3]["text"]), (4, &json!("[picture]")));
    // A browser is no mobile terminal.
    let web = server.login("bob", WEB);
    let _browser = server.connect(&web);
    server.rest_send(&ann, "bob", "m6", "hello 6");
    service.told_of("bob", 5);
    // Who has one gets nothing, and neither does who has pulled.
    let mut phone = server.connect(&bob);
    phone.pull(1, 6);
    let reached = figure(&server, "openim_push_reached_total");
    server.rest_send(&ann, "bob", "m7", "hello 7");
    phone.pushed();
    until(|| figure(&server, "openim_push_reached_total") > reached);
    phone.close();
    server.rest_send(&ann, "bob", "m8", "hello 8");
    let told = service.told_of("bob", 6);
    assert_eq!((&told[5]["text"], &told[5]["badge"]), (&json!("hello 8"), &json!(1)));
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|notice| notice["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!((ids.len(), service.notices().len()), (6, 6));
}

#[test]
fn members_of_a_group_are_told_as_they_want() {
    if no_push() {
        return;
    }
    let service = Service::start();
    let server = telling(&service).set("OPENIM_PUSH_HIDECONTENT", "true").start();
    let users = ["ann", "bob", "cat", "dan"].map(|uid| server.register(uid, ANDROID));
    let [ann, bob, cat, dan] = &users;
    let group = server.group(ann, &[bob, cat, dan]);
    let body = op(json!({"option": 2, "conversationIdList": [format!("group_{group}")]}));
    server.done_as(cat, "/conversation/set_receive_message_opt", &body);
    let mut phone = server.connect(dan);
    let mut writes = server.connect(ann);
    writes.say_data(&crate::support::link::group_message(&group, "m1", "hello"));
    phone.pushed();
    let told = service.told_of("bob", 1);
    assert_eq!((&told[0]["text"], &told[0]["to"]), (&json!("[message]"), &json!(group)));
    until(|| figure(&server, "openim_push_unwanted_total") == 1);
    until(|| figure(&server, "openim_push_reached_total") >= 1);
    assert_eq!(service.notices().len(), 1, "{:?}", service.notices());
}
