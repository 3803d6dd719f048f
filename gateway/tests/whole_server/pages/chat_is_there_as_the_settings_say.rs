//! The chat page is told of at the start, and is gone with all it has when it is off.

use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::server::{Server, Setup};

const PATHS: [&str; 4] = ["/chat", "/chat/", "/chat/chat.js", "/chat/server.json"];

#[test]
fn the_start_says_where_it_is_and_which_file_has_the_key_that_it_does_not_show() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = Server::start();
    let line = server.line_with(" chat ");
    let file = server.data_dir().join("chat_key");
    let key = std::fs::read_to_string(&file).expect("it was generated");
    for part in [&format!("http://{}/chat", server.rest()), file.to_str().expect("UTF-8")] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(server.banner().iter().all(|line| !line.contains(key.trim())), "into no pipe");
}

#[test]
fn off_means_that_nothing_of_it_is_there() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = Setup::new().set("OPENIM_WEB_CHAT", "off").start();
    for path in PATHS {
        let answer = call(server.rest(), "GET", path, &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (404, "404 page not found"), "{path}");
    }
    assert!(!server.data_dir().join("chat_key").exists());
    assert!(server.banner().iter().all(|line| !line.contains("/chat")));
}

#[test]
fn a_wrong_setting_is_one_line() {
    if embedded_only("it is about the settings alone") {
        return;
    }
    let refused = Setup::new().set("OPENIM_WEB_WEBSOCKETURL", "https://im.example.com").refused();
    refused.assert_one_line_with(&["OPENIM_WEB_WEBSOCKETURL", "wss://"]);
}
