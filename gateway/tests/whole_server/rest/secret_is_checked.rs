//! Tokens are given only to whoever knows the configured secret.

use serde_json::json;

use crate::support::SECRET;
use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::Server;

#[test]
fn a_wrong_secret_gets_http_400_and_code_401() {
    let server = Server::start();
    server.register("alice", IOS);
    for wrong in ["wrong", &SECRET[1..], &format!("{SECRET}x")] {
        for (path, uid) in [("/auth/user_register", "mallory"), ("/auth/user_token", "alice")] {
            let mut body = registration(uid, IOS);
            body["secret"] = json!(wrong);
            let answer = server.post(path, &body);
            assert_eq!(answer.status, 400, "{path} {wrong}: {}", answer.text());
            assert_eq!(
                answer.json(),
                json!({"errCode": 401, "errMsg": "not authorized"}),
                "{path} {wrong}"
            );
        }
    }
    // Nothing was created by the refused registrations.
    server.register("mallory", IOS);
}
