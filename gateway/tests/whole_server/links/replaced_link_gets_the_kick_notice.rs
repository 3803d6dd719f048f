//! A link replaced by a newer one of the same user and platform is told why, then closed.

use serde_json::{Value, json};

use crate::support::server::Server;

#[test]
fn the_older_link_gets_a_303_notice_and_a_close_and_nothing_is_stored() {
    let server = Server::start();
    let mut first = server.newcomer("alice");
    let mut second = server.connect(&first.user);
    let (frames, _) = first.drain_to_close();
    assert_eq!(frames.len(), 1, "one notice: {frames:?}");
    assert_kick_notice(&frames[0], "alice", 303);
    let platform = &frames[0]["data"]["senderPlatformID"];
    assert_eq!(*platform, second.user.platform, "the newer link's: {frames:?}");
    assert_eq!(second.newest(), 0, "the notice takes no seq");
    assert!(second.inbox().is_empty(), "the notice is not stored");
}

/// Checks the notice: a push with seq 0 from and to the user himself.
#[track_caller]
pub(crate) fn assert_kick_notice(notice: &Value, uid: &str, content_type: i64) {
    assert_eq!(notice["reqIdentifier"], 2001, "{notice}");
    assert_eq!(notice["errCode"], 0, "{notice}");
    let data = &notice["data"];
    let seen = json!([
        data["contentType"],
        data["sessionType"],
        data["msgFrom"],
        data["seq"],
        data["recvID"]
    ]);
    assert_eq!(seen, json!([content_type, 1, 200, 0, uid]), "{notice}");
    assert!(data["content"].as_str().is_some_and(|text| !text.is_empty()), "{notice}");
    assert!(data["sendTime"].is_i64(), "{notice}");
}
