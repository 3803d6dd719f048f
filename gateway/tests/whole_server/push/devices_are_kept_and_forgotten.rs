//! Devices that an app has named are told of with the notice, also after a kill, until they are deleted or their sessions end.

use serde_json::{Value, json};

use super::{Service, no_push, telling, until};
use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::{User, op};
use crate::support::server::Server;

fn name(server: &Server, user: &User, platform: i64, token: &str) {
    let body = op(json!({"platform": platform, "vendor": "huawei", "token": token}));
    server.done_as(user, "/third/set_push_token", &body);
}

/// The tokens that come with a notice to `bob` of a message with this text.
fn tokens(service: &Service, server: &Server, ann: &User, text: &str) -> Vec<String> {
    server.rest_send(ann, "bob", text, text);
    let is_it = |notice: &&Value| notice["text"] == text;
    until(|| service.notices().iter().any(|notice| is_it(&notice)));
    let notices = service.notices();
    let notice = notices.iter().rfind(is_it).expect("told");
    let tokens = notice["tokens"].as_array().expect("a list").iter();
    tokens.map(|device| device["token"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn the_service_is_told_which_devices_there_are() {
    if no_push() {
        return;
    }
    let service = Service::start();
    let mut server = telling(&service).set("OPENIM_PUSH_DEVICESPERUSERMAX", 3).start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    assert!(tokens(&service, &server, &ann, "none").is_empty());
    for (platform, token) in [(IOS, "t1"), (ANDROID, "t2"), (IOS, "t3"), (ANDROID, "t4")] {
        name(&server, &bob, platform, token);
    }
    // The oldest of more than there may be went.
    assert_eq!(tokens(&service, &server, &ann, "three"), ["t2", "t3", "t4"]);
    // A device is of who named it last.
    name(&server, &ann, IOS, "t3");
    assert_eq!(tokens(&service, &server, &ann, "two"), ["t2", "t4"]);
    let body = op(json!({"vendor": "huawei", "token": "t2"}));
    server.done_as(&bob, "/third/delete_push_token", &body);
    server.done_as(&bob, "/third/delete_push_token", &body);
    name(&server, &bob, IOS, "t5");
    server.kill();
    server.restart();
    assert_eq!(tokens(&service, &server, &ann, "kept"), ["t4", "t5"]);
    // Who is logged out of a platform is told there no more.
    let logout = op(json!({"uid": "bob", "platform": IOS}));
    server.done_as(&server.manager(), "/manager/force_logout", &logout);
    assert_eq!(tokens(&service, &server, &ann, "one"), ["t4"]);
}

#[test]
fn bodies_and_tokens_are_checked() {
    if no_push() {
        return;
    }
    let server = Server::start();
    let ann = server.register("ann", IOS);
    let good = op(json!({"platform": 1, "vendor": "fcm", "token": "t"}));
    server.assert_binds(
        &ann,
        "/third/set_push_token",
        &good,
        &["operationID", "platform", "vendor", "token"],
    );
    for bad in [
        json!({"platform": 8}),
        json!({"vendor": "v".repeat(33)}),
        json!({"token": "t".repeat(1025)}),
    ] {
        let mut body = good.clone();
        bad.as_object().into_iter().flatten().for_each(|(key, value)| body[key] = value.clone());
        assert_eq!(server.post_as(&ann.token, "/third/set_push_token", &body).status, 400);
    }
}
