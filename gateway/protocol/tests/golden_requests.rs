//! The requests that docs/protocol.md shows are read as it says: files beside those of the answers.

use std::path::Path;

use openim_protocol::request::{self, Envelope, NEWEST_SEQ, PULL, PullRange, SEND, SendBody};
use openim_record::Switches;

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn envelope<'a>(text: &'a [u8], number: i32, sender: &str, incr: i32) -> Envelope<'a> {
    let envelope = request::decode(text.trim_ascii_end()).expect("an envelope");
    assert_eq!(envelope.req_identifier, number);
    assert_eq!(envelope.send_id, sender);
    assert_eq!(envelope.msg_incr, incr);
    assert_eq!(envelope.token, "eyJ.eyJ.sig");
    assert!(!envelope.operation_id.is_empty());
    envelope
}

#[track_caller]
fn send<'a>(text: &'a [u8], incr: i32) -> SendBody<'a> {
    request::decode_send(envelope(text, SEND, "bob", incr).data.take()).expect("a send")
}

#[test]
fn a_question_for_the_newest_seq_has_no_data() {
    assert!(
        envelope(&golden("request-newest-seq.json"), NEWEST_SEQ, "alice", 1).data.is_none(),
        "nothing but the envelope"
    );
}

#[test]
fn a_pull_names_both_ends() {
    let text = golden("request-pull.json");
    let range = request::decode_pull(envelope(&text, PULL, "alice", 2).data.take());
    assert_eq!(range.expect("a range"), PullRange { begin: 3, end: 6 });
}

#[test]
fn a_send_to_one_user() {
    let text = golden("request-send.json");
    let body = send(&text, 3);
    assert_eq!((body.session_type, &*body.recv_id, &*body.content), (1, "alice", "hi"));
    assert_eq!((body.platform_id, body.msg_from, body.content_type), (2, 100, 101));
    assert_eq!((&*body.client_msg_id, &*body.sender_nick_name), ("6f1c0e", "Bob"));
    assert_eq!(body.switches, Switches::default());
}

#[test]
fn a_send_to_a_group_emphasizes_some() {
    let text = golden("request-send-group.json");
    let body = send(&text, 4);
    assert_eq!((body.session_type, &*body.recv_id), (2, "g7"));
    assert_eq!(body.force_list, ["alice"]);
}

#[test]
fn an_ephemeral_send_turns_two_switches_off() {
    let text = golden("request-send-ephemeral.json");
    let switches = send(&text, 5).switches;
    assert!(!switches.history && !switches.persistent && switches.sender_sync, "{switches:?}");
}
