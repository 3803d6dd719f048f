//! C02: whoever does not prove who he is gets 401, before anything else about the request is looked at.

use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::Server;
use crate::support::{ACCESS_SECRET, jwt};

#[test]
fn c02_missing_parameters_and_bad_tokens_get_401() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    let expired = jwt::sign(ACCESS_SECRET, jwt::HS256, &jwt::claims("alice", "IOS", 7200, -3600));
    let foreign = jwt::sign("another key", jwt::HS256, &jwt::claims("alice", "IOS", 0, 3600));
    let queries = [
        String::new(),
        format!("?sendID=alice&token={}", alice.token),
        "?sendID=alice&platformID=1".to_owned(),
        format!("?token={}&platformID=1", alice.token),
        format!("?sendID=alice&token={}&platformID=1", bob.token),
        format!("?sendID=alice&token={expired}&platformID=1"),
        format!("?sendID=alice&token={foreign}&platformID=1"),
        "?sendID=alice&token=garbage&platformID=1".to_owned(),
        "?sendID=alice&token=&platformID=1".to_owned(),
    ];
    for query in queries {
        for headers in [&UPGRADE[..], &[]] {
            let answer = upgrade(server.ws(), "GET", &format!("/{query}"), headers);
            assert_eq!(answer.status, 401, "{query}");
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.text(), "Unauthorized\n");
        }
    }
}
