//! `/conversation`: how a user wants to receive each conversation's messages.

mod bodies_and_tokens_are_checked;
mod options_are_bounded;
mod options_are_kept;
mod what_is_not_received_is_bounded;
mod what_is_not_received_is_nowhere;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::rest::{User, op};
use crate::support::server::Server;

fn no_effect() -> bool {
    embedded_only("options have no effect on a cluster")
}

fn try_set(server: &Server, user: &User, option: i64, conversations: &[&str]) -> Value {
    let body = op(json!({"option": option, "conversationIdList": conversations}));
    server.ask_as(user, "/conversation/set_receive_message_opt", &body)
}

#[track_caller]
fn set(server: &Server, user: &User, option: i64, conversations: &[&str]) {
    let answer = try_set(server, user, option, conversations);
    assert_eq!(answer["errCode"], 0, "{answer}");
}

/// Waits until a figure is so.
#[track_caller]
fn assert_figure(server: &Server, name: &str, expected: u64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
        let line = format!("{name} {expected}");
        if metrics.lines().any(|told| told == line) {
            return;
        }
        assert!(Instant::now() < until, "no {line} in {metrics}");
        thread::sleep(Duration::from_millis(50));
    }
}
