//! What is wrong with a service stops the start in one line, by its key.

use super::no_push;
use crate::support::server::Setup;

#[test]
fn what_is_wrong_is_one_line() {
    if no_push() {
        return;
    }
    let on = || Setup::new().set("OPENIM_PUSH_OFFLINEPUSH", "true");
    on().refused().assert_one_line_with(&["push.offlinePush"]);
    on().set("OPENIM_PUSH_WEBHOOK_URL", "http://127.0.0.1:1/")
        .refused()
        .assert_one_line_with(&["push.webhook.secret"]);
    let file = on();
    let path = file.path("account.json");
    let of = |key: &str| file.clone().set(key, path.display());
    of("OPENIM_PUSH_FCM_SERVICEACCOUNTFILE")
        .refused()
        .assert_one_line_with(&["push.fcm.serviceAccountFile", "account.json"]);
    std::fs::write(&path, "{}").expect("written");
    of("OPENIM_PUSH_FCM_SERVICEACCOUNTFILE")
        .refused()
        .assert_one_line_with(&["push.fcm.serviceAccountFile", "client_email"]);
    of("OPENIM_PUSH_APNS_KEYFILE").refused().assert_one_line_with(&["push.apns.keyID"]);
    let apns = of("OPENIM_PUSH_APNS_KEYFILE");
    let apns = ["KEYID", "TEAMID", "TOPIC"]
        .iter()
        .fold(apns, |setup, key| setup.set(&format!("OPENIM_PUSH_APNS_{key}"), "x"));
    apns.refused().assert_one_line_with(&["push.apns.keyFile", "PKCS#8"]);
}
