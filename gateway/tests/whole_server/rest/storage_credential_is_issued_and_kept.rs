//! `/third/tencent_cloud_storage_credential`: a signed question, all keys in the answer, ten seconds of rest.

use std::io::Write as _;
use std::thread;

use serde_json::{Value, json};

use super::sts::{self, SECRET_KEY, Sts, credential};
use crate::support::http::{call, dial};

#[test]
fn the_question_is_signed_and_the_answer_complete() {
    let sts = Sts::start();
    let mut server = sts.setup().set("OPENIM_LOG_LEVEL", "trace").start();
    let (question, asking) = sts.asked_by(&server);
    let form = question.form.clone();
    question.issue();
    let answer = asking.join().expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"data": credential(), "errCode": 0, "errMsg": "", "region": "ap-test", "bucket": "files-1250000000"})
    );
    for (name, value) in [
        ("Action", "GetFederationToken"),
        ("DurationSeconds", "3600"),
        ("Name", "cos-sts-go"),
        ("Region", "ap-test"),
        ("SecretId", "AKIDtest"),
        ("Version", "2018-08-13"),
    ] {
        assert_eq!(form[name], value, "{form:?}");
    }
    assert!(
        form["Timestamp"].parse::<u64>().is_ok_and(|unix_s| unix_s > 1_600_000_000),
        "{form:?}"
    );
    assert!(form["Nonce"].parse::<u64>().is_ok(), "{form:?}");
    let policy: Value = serde_json::from_str(&sts::plain(&form["Policy"])).expect("JSON");
    assert_eq!(
        policy,
        json!({"version": "2.0", "statement": [{
            "effect": "allow", "action": ["name/cos:PostObject", "name/cos:PutObject"],
            "resource": ["qcs::cos:ap-test:uid/1250000000:files-1250000000/*"]
        }]})
    );
    server.kill();
    for line in server.log() {
        for secret in [SECRET_KEY, "temporary-key", "temporary-token", &form["Signature"]] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn who_asks_soon_again_gets_the_same_without_a_question() {
    let sts = Sts::start();
    let server = sts.setup().start();
    let (question, asking) = sts.asked_by(&server);
    question.issue();
    let first = asking.join().expect("an answer").json();
    assert_eq!(first["data"], credential());
    assert_eq!(sts::ask(server.rest()).json(), first);
    assert!(!sts.is_asked());
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let counted = "openim_credentials_total{outcome=\"issued\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn who_asks_meanwhile_waits_for_the_same_answer() {
    let sts = Sts::start();
    let server = sts.setup().start();
    let (question, first) = sts.asked_by(&server);
    let to = server.rest();
    let others: Vec<_> = (0..5).map(|_| thread::spawn(move || sts::ask(to))).collect();
    // They are not refused and do not ask; the shard goes on with everything else.
    server.register("alice", 1);
    question.issue();
    for asking in others.into_iter().chain([first]) {
        assert_eq!(asking.join().expect("an answer").json()["data"], credential());
    }
    assert!(!sts.is_asked());
}

#[test]
fn a_client_that_goes_away_takes_the_answer_from_nobody() {
    let sts = Sts::start();
    let server = sts.setup().start();
    let mut gone = dial(server.rest());
    let head = format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{{}}", sts::PATH);
    gone.write_all(head.as_bytes()).expect("the request is sent");
    let question = sts.question();
    drop(gone);
    let to = server.rest();
    let asking = thread::spawn(move || sts::ask(to));
    question.issue();
    assert_eq!(asking.join().expect("an answer").json()["data"], credential());
    assert!(!sts.is_asked());
}
