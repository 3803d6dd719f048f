//! The operators' port gives the durable log, byte for byte and whole, to whoever knows `admin.secret`, and to nobody else;
//! who follows is counted.

use std::fs;

use openim_config::Secret;
use openim_gateway::copying::Remote;
use openim_storage::embedded::copy::check::Checked;
use openim_storage::embedded::copy::{About, PART_BYTES, Source as _, SourceError};

use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

fn remote(server: &Server, secret: &str) -> Remote {
    let url = format!("http://{}", server.operator());
    Remote::new(&url, Secret::new(secret), Some("a test".to_owned())).expect("an address")
}

/// Takes the log from its beginning and checks it; all of its bytes.
fn take_all(remote: &mut Remote, about: &About) -> Vec<u8> {
    let salt = about.salt().expect("a format");
    let (mut checked, mut all, mut bytes) = (Checked::default(), Vec::new(), Vec::new());
    while checked.at < about.durable {
        let part = remote.log(checked.at, PART_BYTES, 0, &mut bytes).expect("an answer");
        let whole = checked
            .take((salt, &about.epochs), part.segment, &bytes)
            .expect("it passes its checksums");
        assert!(whole.bytes > 0, "it ends with a whole batch");
        all.extend_from_slice(&bytes[..whole.bytes]);
    }
    all
}

#[test]
fn and_to_nobody_else() {
    if embedded_only("the log of a cluster is Kafka's") {
        return;
    }
    let server = Setup::new().start();
    let secret = fs::read_to_string(server.data_dir().join("admin_secret")).expect("generated");
    let alice = server.register("alice", IOS);
    let mut link = server.connect(&alice);
    (0..50).for_each(|n| drop(link.say("bob", &format!("m{n}"), "hello")));

    let refused = remote(&server, "guessed").about().expect_err("it is another one");
    assert!(matches!(&refused, SourceError::Refused(what) if what.contains("admin.secret")));
    assert_eq!(call(server.operator(), "GET", "/copy/log?from=0", &[], b"").status, 403);

    let mut remote = remote(&server, secret.trim());
    let about = remote.about().expect("an answer");
    let taken = take_all(&mut remote, &about);
    let file = fs::read(server.data_dir().join("log/00000000000000000000.log")).expect("a segment");
    assert_eq!(taken, file[..taken.len()]);
    let (mut bytes, far) = (Vec::new(), about.durable + 1_000);
    let ahead = remote.log(far, PART_BYTES, 0, &mut bytes).expect_err("it ends before");
    assert!(matches!(ahead, SourceError::Ahead { durable } if durable >= about.durable), "{ahead}");

    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("\nopenim_backup_followers 1\n"), "{metrics}");
    assert!(metrics.contains("\nopenim_backup_behind_seconds "), "{metrics}");
}

#[test]
fn of_a_secret_of_ones_own() {
    if embedded_only("the log of a cluster is Kafka's") {
        return;
    }
    let server = Setup::new().set("OPENIM_ADMIN_SECRET", "a secret of my own").start();
    assert!(!server.data_dir().join("admin_secret").exists());
    assert!(remote(&server, "a secret of my own").about().is_ok());
}

#[test]
fn to_so_many_at_once() {
    if embedded_only("the log of a cluster is Kafka's") {
        return;
    }
    let bounds = [("OPENIM_ADMIN_COPIESMAX", 1), ("OPENIM_ADMIN_COPYMIBPERSECOND", 1)];
    let setup = bounds.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value));
    let server = setup.set("OPENIM_ADMIN_SECRET", "a secret of my own").start();
    let alice = server.register("alice", IOS);
    let (mut link, long) = (server.connect(&alice), "x".repeat(20_000));
    (0..50).for_each(|n| drop(link.say("bob", &format!("m{n}"), &long)));
    let url = format!("http://{}", server.operator());
    let ask = || {
        let secret = Secret::new("a secret of my own");
        let mut remote = Remote::new(&url, secret, None).expect("an address");
        remote.log(0, PART_BYTES, 0, &mut Vec::new())
    };
    // At their pace one takes a second, and the other is told to come again; whichever it is.
    let refused = (0..20).any(|_| {
        let both = std::thread::scope(|scope| {
            let other = scope.spawn(ask);
            [ask(), other.join().expect("it does not panic")]
        });
        both.iter().any(|answer| {
            matches!(answer, Err(SourceError::Away(what)) if what.contains("admin.copiesMax"))
        })
    });
    assert!(refused, "both were always given what they asked for");
    assert!(ask().is_ok(), "there is a place again");
}
