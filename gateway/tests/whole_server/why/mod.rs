//! `/manager/why` and `openim why`: why somebody did not get a message.

mod by_command;
mod each_reason_is_told;

use serde_json::{Value, json};

use crate::support::engine::embedded_only;
use crate::support::rest::op;
use crate::support::server::Server;

fn no_journal() -> bool {
    embedded_only("a cluster keeps no journal of links")
}

/// What a server says of `message` and `uid`, with further members of the body.
#[track_caller]
fn why_with(server: &Server, uid: &str, message: &str, more: Value) -> Value {
    let mut body = op(json!({"uid": uid, "message": message}));
    let members = more.as_object().into_iter().flatten();
    members.for_each(|(key, value)| body[key] = value.clone());
    server.done_as(&server.manager(), "/manager/why", &body)["data"].clone()
}

#[track_caller]
fn why(server: &Server, uid: &str, message: &str) -> Value {
    why_with(server, uid, message, json!({}))
}

/// The reason alone, and that it is told in two languages.
#[track_caller]
fn reason(told: &Value) -> &str {
    let text = |key: &str| told[key].as_str().unwrap_or_else(|| panic!("{key} in {told}"));
    assert!(text("text").ends_with('.') && text("textZh").ends_with('。'), "{told}");
    text("reason")
}
