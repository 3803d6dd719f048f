//! `/third/tencent_cloud_storage_credential`: whatever the service does, clients get one shape of a failure
//! in time, and the operator one line.

use std::net::TcpListener;

use super::sts::{self, COMPLAINT, SECRET_KEY, Sts};
use crate::support::server::Setup;

#[test]
fn a_refusal_is_told_by_its_code_and_logged_with_its_text() {
    let sts = Sts::start();
    let server = sts.setup().allow(COMPLAINT).start();
    let (question, asking) = sts.asked_by(&server);
    question.refuse("AuthFailure.SecretIdNotFound", "the account\nhas no such key");
    let answer = asking.join().expect("an answer");
    let text = "the credential service refused: AuthFailure.SecretIdNotFound";
    sts::assert_none(&answer, text);
    server.logged(&[
        "WARN",
        COMPLAINT,
        "AuthFailure.SecretIdNotFound",
        "the account has no such key",
    ]);
}

#[test]
fn a_question_signed_with_another_key_is_refused() {
    let sts = Sts::start();
    let setup = sts.setup().set("OPENIM_CREDENTIAL_TENCENT_SECRETKEY", "another-key");
    let server = setup.allow(COMPLAINT).start();
    let (question, asking) = sts.asked_by(&server);
    question.issue();
    let text = "the credential service refused: AuthFailure.SignatureFailure";
    sts::assert_none(&asking.join().expect("an answer"), text);
}

#[test]
fn after_a_failure_the_service_is_asked_again() {
    let sts = Sts::start();
    let server = sts.setup().allow(COMPLAINT).start();
    let (question, asking) = sts.asked_by(&server);
    question.refuse("InternalError", "later");
    asking.join().expect("an answer");
    let to = server.rest();
    let again = std::thread::spawn(move || {
        loop {
            let answer = sts::ask(to);
            if answer.json()["errCode"] == 0 {
                return answer;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    sts.question().issue();
    assert_eq!(again.join().expect("an answer").json()["data"], sts::credential());
}

#[test]
fn nobody_listening_is_told() {
    let closed =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let server = sts::account(Setup::new(), &format!("http://{closed}")).allow(COMPLAINT).start();
    sts::assert_none(&sts::ask(server.rest()), "the credential service cannot be reached");
    let line = server.logged(&["WARN", COMPLAINT, &closed.to_string()]);
    assert!(!line.contains(SECRET_KEY), "{line}");
}

#[test]
fn a_service_that_stalls_is_given_up() {
    let sts = Sts::start();
    let setup = sts.setup().set("OPENIM_CREDENTIAL_TENCENT_TIMEOUTSECONDS", 1);
    let server = setup.allow(COMPLAINT).start();
    let (stalled, asking) = sts.asked_by(&server);
    let answer = asking.join().expect("an answer");
    sts::assert_none(&answer, "the credential service cannot be reached");
    server.logged(&["WARN", COMPLAINT, "no answer within 1 s"]);
    drop(stalled);
}

/// With a limit far above the patience of this test's clients.
#[test]
fn a_service_that_stalls_holds_up_nobody_else() {
    let sts = Sts::start();
    let server = sts.setup().set("OPENIM_CREDENTIAL_TENCENT_TIMEOUTSECONDS", 60).start();
    let (stalled, asking) = sts.asked_by(&server);
    let alice = server.register("alice", 1);
    server.rest_send(&alice, "bob", "m1", "hello");
    stalled.issue();
    assert_eq!(asking.join().expect("an answer").json()["errCode"], 0);
}

#[test]
fn what_is_no_answer_is_told() {
    let large = format!("{{\"Response\":\"{}\"}}", "x".repeat(70_000));
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (502, "<html>a proxy's</html>"),
        (302, "elsewhere"),
        (200, "{\"Response\":{\"Credentials\":{\"Token\":\"t\"}}}"),
        (200, &*large),
    ] {
        let sts = Sts::start();
        let server = sts.setup().allow(COMPLAINT).start();
        let (question, asking) = sts.asked_by(&server);
        question.say(status, body);
        let answer = asking.join().expect("an answer");
        sts::assert_none(&answer, "the credential service gave no credential");
        server.logged(&["WARN", COMPLAINT]);
    }
}

#[test]
fn a_service_that_hangs_up_or_speaks_something_else_cannot_be_reached() {
    for secure in [false, true] {
        let sts = Sts::start();
        let mut setup = sts.setup().allow(COMPLAINT);
        if secure {
            // It does not speak TLS, and closes.
            let closing = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = closing.local_addr().expect("bound").port();
            std::thread::spawn(move || drop(closing.accept()));
            setup = setup
                .set("OPENIM_CREDENTIAL_TENCENT_ENDPOINT", format!("https://localhost:{port}"));
        }
        let server = setup.start();
        let to = server.rest();
        let asking = std::thread::spawn(move || sts::ask(to));
        if !secure {
            drop(sts.question());
        }
        let answer = asking.join().expect("an answer");
        sts::assert_none(&answer, "the credential service cannot be reached");
    }
}
