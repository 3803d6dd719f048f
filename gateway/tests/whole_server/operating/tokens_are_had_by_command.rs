//! `openim token`: the running server gives one, to whoever has its secret, for a user who is there; the audit knows of it.

use serde_json::Value;

use crate::support::platform::{ANDROID, WEB};
use crate::support::rest::User;
use crate::support::server::Setup;

#[test]
fn by_the_servers_own_rules() {
    let mut server = Setup::new().set("OPENIM_LOG_LEVEL", "debug").start();
    let bob = server.register("bob", WEB);
    let output = server.beside("token").arg("bob").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let token = text.strip_suffix('\n').expect("one line").to_owned();
    assert!(token.starts_with("eyJ") && !token.contains(char::is_whitespace), "{text}");
    let user = User { uid: "bob".to_owned(), token, platform: WEB };
    server.connect(&user).close();
    server.logged(&["audit", "login", "bob"]);

    let output =
        server.beside("token").args(["bob", "--json", "--platform", "2"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["uid"], &told["platform"]), (&"bob".into(), &ANDROID.into()));
    assert!(told["expiredTime"].as_i64().is_some_and(|at| at > 0), "{told}");

    let refused = |output: std::process::Output, words: &str| {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{complaint}");
        assert!(complaint.contains(words) && complaint.lines().count() == 1, "{complaint}");
    };
    refused(
        server.beside("token").arg("nobody").output().unwrap(),
        "nobody: the server gives no token",
    );
    let wrong = server.beside("token").arg("bob").env("OPENIM_SECRET", "a-wrong-secret").output();
    refused(wrong.unwrap(), "the server gives no token");
    drop(bob);
    server.kill();
    refused(server.beside("token").arg("bob").output().unwrap(), "api.openImApiPort");
}

#[test]
fn from_a_server_with_tls() {
    let server = Setup::new().with_tls().start();
    server.register("bob", WEB);
    let output = server.beside("token").arg("bob").output().expect("it runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    let token = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    server.connect(&User { uid: "bob".to_owned(), token, platform: WEB }).close();
}
