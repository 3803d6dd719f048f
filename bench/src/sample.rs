//! One message, in the forms it has on its way: as a client sends it, and as it lies in the log.

use openim_record::{Message, MessageKey, Switches};

/// Its author.
pub const SENDER: &str = "user0000017";
/// Its addressee.
pub const RECEIVER: &str = "user0000042";
/// The author's own id of it.
pub const CLIENT_MSG_ID: &str = "5f1c9a0be3d24a0c8f1f6f0b6a1d9e77";
/// Its text: 64 bytes, as the load tool sends.
pub const CONTENT: &str = "See you at the station at seven, and please bring the umbrella. ";

/// The frame's text of a send (1003).
#[must_use]
pub fn send_payload(token: &str, sender: &str, receiver: &str, client_msg_id: &str) -> Vec<u8> {
    format!(
        "{{\"reqIdentifier\":1003,\"token\":\"{token}\",\"sendID\":\"{sender}\",\
         \"operationID\":\"op\",\"msgIncr\":7,\"data\":{{\"platformID\":1,\"sessionType\":1,\"msgFrom\":100,\
         \"contentType\":101,\"recvID\":\"{receiver}\",\"forceList\":[],\"content\":\"{CONTENT}\",\
         \"options\":{{}},\"offlineInfo\":{{}},\"clientMsgID\":\"{client_msg_id}\"}}}}"
    )
    .into_bytes()
}

/// The message as the log has it, with a text of `CONTENT`.
#[must_use]
pub fn message(number: u64) -> Message<'static> {
    Message {
        // A real key is a digest; for its users any number will do.
        key: MessageKey(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        send_time_ns: 1_622_033_433_000_000_000 + i64::try_from(number).unwrap_or(i64::MAX),
        switches: Switches::ON,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        send_id: SENDER,
        recv_id: RECEIVER,
        client_msg_id: CLIENT_MSG_ID,
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "{}",
        content: CONTENT,
    }
}

/// An encoded message of exactly `bytes` bytes, or a little more where that is too short.
#[must_use]
pub fn record(number: u64, bytes: usize) -> Vec<u8> {
    let plain = message(number);
    let padding = bytes.saturating_sub(plain.encoded_len());
    let content = format!("{CONTENT}{}", "x".repeat(padding));
    let mut out = Vec::with_capacity(bytes);
    Message { content: &content, ..plain }.encode(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_send_that_the_server_reads() {
        let payload = send_payload("token", SENDER, RECEIVER, CLIENT_MSG_ID);
        let mut envelope = openim_protocol::request::decode(&payload).unwrap();
        let body = openim_protocol::request::decode_send(envelope.data.take()).unwrap();
        assert_eq!(
            (&*envelope.send_id, &*body.recv_id, &*body.content),
            (SENDER, RECEIVER, CONTENT)
        );
    }

    #[test]
    fn a_record_has_the_length_asked_for_and_can_be_read() {
        let bytes = record(7, 450);
        assert_eq!(bytes.len(), 450);
        assert_eq!(Message::decode(&bytes).unwrap().key, message(7).key);
        assert_ne!(message(7).key, message(8).key);
    }
}
