//! Only an unaltered HS256 token under the server's key is a token.

use serde_json::{Value, json};

use crate::support::ACCESS_SECRET;
use crate::support::jwt::{self, HS256, base64url, claims, sign, unsigned};
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::Server;

#[test]
fn none_other_algorithms_and_altered_tokens_get_401() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    let good: Value = jwt::read_claims(&alice.token);
    let parts: Vec<&str> = alice.token.split('.').collect();
    let mut other_uid = good.clone();
    other_uid["UID"] = json!("bob");
    let mut later = good.clone();
    later["exp"] = json!(jwt::now() + 10_000_000);
    let with_claims = |claims: &Value| {
        format!("{}.{}.{}", parts[0], base64url(claims.to_string().as_bytes()), parts[2])
    };
    let flipped = {
        let first = if parts[2].starts_with('A') { "B" } else { "A" };
        format!("{}.{}.{first}{}", parts[0], parts[1], &parts[2][1..])
    };
    let mut early = claims("alice", "IOS", 0, 7200);
    early["nbf"] = json!(jwt::now() + 3600);
    let cases = [
        ("alg none", "alice", unsigned(r#"{"alg":"none","typ":"JWT"}"#, &good)),
        ("alg NONE", "alice", unsigned(r#"{"alg":"NONE","typ":"JWT"}"#, &good)),
        ("no alg", "alice", sign(ACCESS_SECRET, r#"{"typ":"JWT"}"#, &good)),
        ("HS512 named", "alice", sign(ACCESS_SECRET, r#"{"alg":"HS512","typ":"JWT"}"#, &good)),
        ("RS256 named", "alice", sign(ACCESS_SECRET, r#"{"alg":"RS256","typ":"JWT"}"#, &good)),
        ("unsigned", "alice", unsigned(HS256, &good)),
        ("another key", "alice", sign("another key", HS256, &good)),
        ("an empty key", "alice", sign("", HS256, &good)),
        ("another uid", "bob", with_claims(&other_uid)),
        ("a longer life", "alice", with_claims(&later)),
        ("a bit flipped", "alice", flipped),
        ("two parts", "alice", format!("{}.{}", parts[0], parts[1])),
        ("four parts", "alice", format!("{}.x", alice.token)),
        ("not yet active", "alice", sign(ACCESS_SECRET, HS256, &early)),
    ];
    for (name, uid, token) in cases {
        let user = User { uid: uid.to_owned(), token, platform: IOS };
        assert_eq!(server.refusal(&user), 401, "{name}");
    }
    assert_eq!(server.connect(&alice).newest(), 0, "the good one is still good");
}
