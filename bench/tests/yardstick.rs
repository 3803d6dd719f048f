//! The yardstick and the blind clients of the figures, against each other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use openim_bench::{Crowd, Link, Setup, User, send_payload};

#[test]
fn every_message_is_answered_and_pushed_to_each_other_member() {
    for (members, flush) in [(2, false), (5, false), (2, true)] {
        let folder = tempfile::tempdir().unwrap();
        let members_word = members.to_string();
        let mut words = vec!["--members", &members_word];
        if flush {
            words.extend(["--flush", "flushed"]);
        }
        let program = Path::new(env!("CARGO_BIN_EXE_yardstick"));
        let server = Setup::new(program, folder.path()).args(&words).start().unwrap();
        let user = User { uid: "somebody".to_owned(), token: "token".to_owned() };
        let links = (0..3 * members).map(|_| Link::open(server.ws(), &user).unwrap()).collect();
        let payload = |_, id: &str| send_payload(&user.token, &user.uid, "other", id);
        let mut crowd = Crowd::new(links, members, payload).unwrap();
        let mut marks = 0;
        let mark = || {
            marks += 1;
            Ok(())
        };
        // It fails by itself when the counts differ at the end.
        let (seen, took) = crowd.run(4, Duration::ZERO, Duration::from_millis(200), mark).unwrap();
        assert!(
            seen.acked > 0 && took >= Duration::from_millis(200),
            "{members} {flush}: {seen:?}"
        );
        assert_eq!(marks, 2);
        if flush {
            let bytes = std::fs::metadata(folder.path().join("flushed")).unwrap().len();
            let each = send_payload(&user.token, &user.uid, "other", &"0".repeat(32)).len() as u64;
            assert!(bytes > seen.acked * each, "{bytes} bytes for {seen:?}");
        }
    }
}
