//! Who leaves or is removed by a call of one process is told so, and may tell it, through any other, also when that
//! one has gone.

use serde_json::{Value, json};

use crate::support::cluster::clustered;
use crate::support::link::{Link, group_message};
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::{Server, Setup};

/// What a client tells of a departure.
fn tip(group: &str, id: &str, kind: i64, content: &Value) -> Value {
    let mut tip = group_message(group, id, &content.to_string());
    tip["contentType"] = json!(kind);
    tip
}

fn removal(group: &str, uids: &[&str]) -> Value {
    let listed: Vec<Value> = uids.iter().map(|uid| json!({"userId": uid})).collect();
    let detail = json!({"groupID": group, "uidListInfo": listed});
    json!({"isDisplay": 1, "defaultTips": "out", "detail": detail.to_string()})
}

fn link(gateway: &Server, user: &crate::support::rest::User) -> Link {
    Link::open(gateway.ws(), user).expect("a link")
}

#[test]
fn whichever_process_is_asked() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let transfer = setup.clone().role("transfer").start();
    let gateways = [(); 2].map(|()| setup.clone().role("gateway").start());
    let mut apis = [(); 2].map(|()| setup.clone().role("api").start());
    transfer.logged(&["partitions are shared out"]);
    let uids = ["ann", "bob", "cat", "dan"];
    let [ann, bob, cat, dan] = uids.map(|uid| apis[0].register(uid, IOS));
    let group = apis[0].group(&ann, &[&bob, &cat, &dan]);
    let (mut to_ann, mut to_bob) = (link(&gateways[0], &ann), link(&gateways[1], &bob));
    let (mut to_cat, mut to_dan) = (link(&gateways[0], &cat), link(&gateways[1], &dan));

    assert_eq!(apis[0].kick(&ann, &group, &["bob"]), [0]);
    let leave = op(json!({ "groupID": group }));
    apis[1].done_as(&cat, "/group/quit_group", &leave);
    // Whoever made the changes is gone.
    for api in &mut apis {
        api.terminate();
        assert!(api.exit_status().success());
    }
    let told = tip(&group, "out", 509, &removal(&group, &["bob"]));
    to_ann.say_data(&told);
    for link in [&mut to_bob, &mut to_dan] {
        let push = link.pushed();
        assert_eq!((&push["contentType"], &push["clientMsgID"]), (&json!(509), &json!("out")));
    }
    let farewell =
        tip(&group, "bye", 505, &json!({"isDisplay": 1, "defaultTips": "", "detail": ""}));
    to_cat.say_data(&farewell);
    for link in [&mut to_ann, &mut to_dan] {
        let push = link.pushed();
        assert_eq!((&push["contentType"], &push["clientMsgID"]), (&json!(505), &json!("bye")));
    }
    // Its repeat is the same message, wherever; another is not taken.
    let mut to_cat = link(&gateways[1], &apis_login(&setup, "cat"));
    assert_eq!(to_cat.request(1003, &farewell)["errCode"], 0);
    let mut again = farewell.clone();
    again["clientMsgID"] = json!("bye again");
    assert_eq!(to_cat.request(1003, &again)["errCode"], 800, "once is enough");
    assert_eq!(to_ann.newest(), 2);
    assert_eq!(to_cat.newest(), 1, "its own farewell and nothing else");
    // Who was removed says none.
    let none = tip(&group, "bye", 505, &json!({}));
    assert_eq!(to_bob.request(1003, &none)["errCode"], 800);
}

/// A login through an api that has just come.
fn apis_login(setup: &Setup, uid: &str) -> crate::support::rest::User {
    setup.clone().role("api").start().login(uid, IOS)
}
