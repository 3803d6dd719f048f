//! `messagecallback.fallback`: what becomes of a message about which the app's backend does not say anything in time.

use crate::support::backend::Backend;
use crate::support::link::message;
use crate::support::rest::send_body;
use crate::support::server::Setup;

const COMPLAINT: &str = "no answer of the app's backend about a message";

fn falls_back(setup: Setup, fallback: &str) -> Setup {
    setup
        .set("OPENIM_MESSAGECALLBACK_CALLBACKTIMEOUT", 1)
        .set("OPENIM_MESSAGECALLBACK_FALLBACK", fallback)
        .allow(COMPLAINT)
}

/// By websocket and by REST, a backend that takes questions and answers none.
#[test]
fn when_it_is_late() {
    for (fallback, code) in [("refuse", 500), ("continue", 0)] {
        let backend = Backend::start();
        let server = falls_back(backend.asked_by(Setup::new()), fallback).start();
        let mut alice = server.newcomer("alice");
        let reply = alice.request(1003, &message("bob", "m1", "hello"));
        assert_eq!(reply["errCode"], code, "{fallback}: {reply}");
        let body = send_body(&alice.user, "bob", "m2", "hello");
        let answer = server.post_as(&alice.user.token, "/chat/send_msg", &body);
        assert_eq!(answer.json()["errCode"], code, "{fallback}: {}", answer.text());
        let stored = if code == 0 { 2 } else { 0 };
        assert_eq!(alice.newest(), stored, "{fallback}");
        server.logged(&["WARN", COMPLAINT, "none within messagecallback.callbackTimeOut"]);
    }
}

#[test]
fn when_nobody_listens() {
    let closed = Backend::start().leave();
    for (fallback, code) in [("refuse", 500), ("continue", 0)] {
        let setup = falls_back(Setup::new(), fallback)
            .set("OPENIM_MESSAGECALLBACK_CALLBACKSWITCH", "true")
            .set("OPENIM_MESSAGECALLBACK_CALLBACKURL", format!("http://{closed}/"));
        let server = setup.start();
        let mut alice = server.newcomer("alice");
        let reply = alice.request(1003, &message("bob", "m1", "hello"));
        assert_eq!(reply["errCode"], code, "{fallback}: {reply}");
        server.logged(&["WARN", COMPLAINT, &closed.to_string()]);
    }
}

#[test]
fn when_its_answer_is_none() {
    for (status, body) in [(200, ""), (200, "{}"), (200, "[]"), (500, "{\"errCode\":0}"), (302, "")]
    {
        let backend = Backend::start();
        let setup = falls_back(backend.asked_by(Setup::new()), "refuse");
        let server = setup.set("OPENIM_MESSAGECALLBACK_CALLBACKTIMEOUT", 60).start();
        let mut alice = server.newcomer("alice");
        let envelope = alice.envelope(1003, &message("bob", "m1", "hello"));
        alice.send_text(envelope);
        backend.post().say(status, body);
        assert_eq!(alice.reply()["errCode"], 500, "{status} {body}");
        server.logged(&["WARN", COMPLAINT]);
    }
}
