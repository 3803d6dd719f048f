//! `/manager/get_users_online_status`: who is connected, and on which platforms, as its twin of `/user` says.

use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::platform::{ANDROID, IOS, WEB};
use crate::support::rest::op;
use crate::support::server::Setup;

#[test]
fn both_routes_say_the_same_of_users_of_every_shard() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let manager = server.manager();
    let mut online = Vec::new();
    let mut uids = vec!["nobody".to_owned()];
    for n in 0..6 {
        let uid = format!("user{n}");
        let platform = [IOS, ANDROID, WEB][n % 3];
        let user = server.register(&uid, platform);
        if n % 2 == 0 {
            online.push(server.connect(&user));
        }
        uids.push(uid);
    }
    let answer = server.done_as(
        &manager,
        "/manager/get_users_online_status",
        &op(json!({ "userIDList": uids })),
    );
    let seen = answer["successResult"].as_array().expect("a list");
    assert_eq!(answer["errMsg"], "");
    for (place, (status, uid)) in seen.iter().zip(&uids).enumerate() {
        let expected = match place {
            1 | 3 | 5 => {
                let name = ["IOS", "Android", "Web"][(place - 1) % 3];
                json!({"userID": uid, "status": "online",
                    "detailPlatformStatus": [{"platform": name, "status": "online"}]})
            }
            _ => json!({"userID": uid, "status": "offline"}),
        };
        assert_eq!(*status, expected);
    }
    assert_eq!(seen.len(), uids.len());
    let twin = op(json!({"userIDList": uids, "secret": SECRET}));
    assert_eq!(server.post("/user/get_users_online_status", &twin).json(), answer);
    let nobody = op(json!({"userIDList": []}));
    let answer: Value = server.done_as(&manager, "/manager/get_users_online_status", &nobody);
    assert_eq!(answer["successResult"], json!([]));
}
