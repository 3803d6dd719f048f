//! The targets of the wire: no input panics, and the rules hold that the readers promise.

use openim_protocol::frame::{Event, Reader, Side, Step, write_message, write_message_masked};
use openim_protocol::handshake::{Head, HeadReader, parse_client_response};
use openim_protocol::request::{EnvelopeError, decode, decode_pull, decode_send};
use openim_protocol::{reply, rest, tip};

/// The first byte says where the stream is cut; the rest is what a new link sends.
pub fn http_head(data: &[u8]) {
    const LIMIT: u32 = 1024;
    let Some((&cut, stream)) = data.split_first() else { return };
    let read = |reader: &mut HeadReader, bytes: &[u8]| match reader.next(bytes) {
        Ok(Head::Partial) => None,
        Ok(Head::Complete { request, consumed }) => {
            assert!(consumed <= bytes.len() && consumed <= LIMIT as usize);
            let upgrade = request.upgrade().map(|accept| accept.as_bytes().to_vec());
            Some(Ok(format!("{request:?} {consumed} {upgrade:?}")))
        }
        Err(error) => Some(Err(error.refusal())),
    };
    let whole = read(&mut HeadReader::new(LIMIT), stream);
    assert!(stream.len() < LIMIT as usize || whole.is_some(), "a full buffer is decided");
    let mut reader = HeadReader::new(LIMIT);
    let begun = read(&mut reader, &stream[..usize::from(cut).min(stream.len())]);
    let in_parts = begun.or_else(|| read(&mut reader, stream));
    assert_eq!(in_parts, whole, "cut at {cut}");
    if let Err(error) = parse_client_response(stream, LIMIT) {
        assert!(matches!(error.refusal().status(), 400 | 431));
    }
}

/// The first byte says the side and the limit, the second where the stream is cut.
pub fn ws_frames(data: &[u8]) {
    let [setup, cut, stream @ ..] = data else { return };
    let side = if setup & 1 == 0 { Side::Server } else { Side::Client };
    let limit = [100, 125, 1_000, 70_000][usize::from(setup >> 1 & 3)];
    let whole = drive(side, limit, stream, stream.len());
    let in_parts = drive(side, limit, stream, usize::from(*cut).min(stream.len()));
    assert_eq!(in_parts, whole, "cut at {cut}");
}

fn drive(side: Side, limit: u32, stream: &[u8], cut: usize) -> Vec<String> {
    let mut reader = Reader::new(side, limit);
    let mut said = Vec::new();
    let mut unread = Vec::new();
    for part in [&stream[..cut], &stream[cut..]] {
        unread.extend_from_slice(part);
        let mut at = 0;
        loop {
            let held = unread.len() - at;
            match reader.next(&mut unread[at..]) {
                Ok(Step::Event { event, consumed }) => {
                    assert!((2..=held).contains(&consumed));
                    at += consumed;
                    said.push(format!("{event:?}"));
                    check_event(side, limit, &event);
                    if matches!(event, Event::Close { .. }) {
                        return said;
                    }
                }
                Ok(Step::Progress { consumed }) => {
                    assert!((2..=held).contains(&consumed));
                    at += consumed;
                }
                Ok(Step::More { wanted }) => {
                    assert!(wanted > held && wanted <= limit.max(125) as usize + 14);
                    break;
                }
                Err(error) => {
                    assert!(matches!(error.close_code(), 1002 | 1007 | 1009));
                    said.push(format!("{error:?}"));
                    return said;
                }
            }
            assert!(reader.heap_bytes() <= limit as usize + 64);
        }
        unread.drain(..at);
    }
    said
}

/// A message stays within the limit, and survives being written and read back.
fn check_event(side: Side, limit: u32, event: &Event<'_>) {
    let &Event::Message { text, payload } = event else { return };
    assert!(payload.len() <= limit as usize);
    assert!(!text || std::str::from_utf8(payload).is_ok());
    let mut written = Vec::new();
    match side {
        Side::Server => write_message_masked(&mut written, text, payload, [1, 2, 3, 4]),
        Side::Client => write_message(&mut written, text, payload),
    }
    let consumed = written.len();
    let mut reader = Reader::new(side, limit);
    let again = reader.next(&mut written).expect("what this crate writes, it reads");
    assert_eq!(again, Step::Event { event: Event::Message { text, payload }, consumed });
}

/// A frame's payload, or the body of a REST call.
pub fn json_envelope(data: &[u8]) {
    match decode(data) {
        Ok(envelope) => {
            assert!(envelope.req_identifier != 0 && envelope.msg_incr != 0);
            assert!(!envelope.token.is_empty() && !envelope.send_id.is_empty());
            let pull = decode_pull(envelope.data.clone());
            for error in [pull.err(), decode_send(envelope.data).err()] {
                let Some(error) = error else { continue };
                let numbers = (envelope.req_identifier, envelope.msg_incr);
                let mut out = Vec::new();
                reply::error_short(
                    &mut out,
                    error.code,
                    &error.text,
                    Some(numbers.0),
                    Some(numbers.1),
                );
                check_json(&out);
            }
        }
        Err(EnvelopeError { code, text, req_identifier, msg_incr }) => {
            let mut out = Vec::new();
            reply::error_short(&mut out, code, &text, req_identifier, msg_incr);
            check_json(&out);
        }
    }
    // The bodies share the reader, not the fields.
    drop((rest::decode_register(data), rest::decode_token(data)));
    drop((
        rest::decode_newest_seq(data),
        rest::decode_pull_msg(data),
        rest::decode_send_msg(data, 1000),
    ));
}

/// The body of any of the other REST calls, or the content of a kick notice.
pub fn rest_bodies(data: &[u8]) {
    const IDS_MAX: usize = 3;
    macro_rules! decode {
        ($($decode:ident)*) => { $( drop(rest::$decode(data)); )* };
    }
    macro_rules! decode_lists {
        ($($decode:ident: $list:ident)*) => {
            $(
                if let Ok(asked) = rest::$decode(data, IDS_MAX) {
                    assert!(asked.$list.len() <= IDS_MAX, stringify!($decode));
                }
            )*
        };
    }
    decode! {
        decode_update_user_info decode_search_friend decode_get_friends_info
        decode_remove_blacklist decode_delete_friend decode_get_friend_list decode_get_blacklist
        decode_get_friend_apply_list decode_get_self_apply_list decode_add_friend
        decode_add_friend_response decode_add_blacklist decode_set_friend_comment decode_is_friend
        decode_set_group_info decode_join_group decode_quit_group decode_get_joined_group_list
        decode_get_group_application_list decode_get_group_member_list
        decode_get_group_all_member_list decode_transfer_group decode_group_application_response
        decode_get_all_users_uid decode_get_all_conversation_message_opt
        decode_tencent_cloud_storage_credential
    }
    decode_lists! {
        decode_get_user_info: uid_list
        decode_get_users_online_status: user_id_list
        decode_import_friend: uid_list
        decode_pull_msg_by_seq: seqs
        decode_create_group: member_list
        decode_get_groups_info: group_id_list
        decode_get_group_members_info: member_list
        decode_invite_user_to_group: uid_list
        decode_kick_group: uid_list_info
        decode_delete_user: delete_uid_list
        decode_account_check: user_id_list
        decode_manager_get_users_online_status: user_id_list
        decode_set_receive_message_opt: conversation_id_list
        decode_get_receive_message_opt: conversation_id_list
        decode_manager_send_msg: force_list
    }
    match rest::decode_manager_send_msg(data, IDS_MAX) {
        // All but a text is stored as the object it was.
        Ok(sent) if sent.content_type != 101 => {
            let read: Result<serde_json::Map<_, _>, _> = serde_json::from_str(&sent.content);
            assert!(read.is_ok(), "{}", sent.content);
        }
        Ok(sent) => assert!(!sent.content.is_empty()),
        Err(error) => {
            let mut out = Vec::new();
            rest::error_answer(&mut out, error.code(), &error.to_string());
            check_json(&out);
        }
    }
    if let Ok(content) = std::str::from_utf8(data)
        && let Ok(uids) = tip::kicked_uids(content, IDS_MAX)
    {
        assert!(uids.len() <= IDS_MAX && uids.iter().all(|uid| !uid.is_empty()));
    }
}

fn check_json(answer: &[u8]) {
    let read: Result<serde_json::Value, _> = serde_json::from_slice(answer);
    assert!(read.is_ok_and(|value| value["errCode"].is_number() && value["errMsg"].is_string()));
}
