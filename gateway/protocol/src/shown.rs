//! A message as clients see it: the keys that pushes and pulls write, in the order of each.
//!
//! In: a message of the log, with what its inbox adds. Out: the keys and their values, appended to the caller's
//! buffer. Never: what stands around a message; that is of [`push`](crate::push) and [`pull`](crate::pull).

use openim_record::Message;

use crate::json;

/// A message for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The message; its own time is not looked at.
    pub message: Message<'a>,
    /// The same in receipt, push and pull.
    pub server_msg_id: &'a str,
    /// The seq in the user's inbox; 0 for a message that is not stored.
    pub seq: i64,
    /// When the server took it, in the unit of the wire.
    pub send_time: i64,
}

/// Of a push, in parts: between them stands what differs between the members of a group.
impl Shown<'_> {
    pub(crate) fn until_emphasis(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"data\":{\"clientMsgID\":");
        json::string(out, self.message.client_msg_id);
        out.extend_from_slice(b",\"content\":");
        json::string(out, self.message.content);
        out.extend_from_slice(b",\"contentType\":");
        json::integer(out, self.message.content_type.into());
        out.extend_from_slice(b",\"isEmphasize\":");
    }

    pub(crate) fn until_receiver(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"msgFrom\":");
        json::integer(out, self.message.msg_from.into());
        out.extend_from_slice(b",\"recvID\":");
    }

    pub(crate) fn until_seq(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"sendID\":");
        json::string(out, self.message.send_id);
        out.extend_from_slice(b",\"sendTime\":");
        json::integer(out, self.send_time);
        out.extend_from_slice(b",\"senderFaceUrl\":");
        json::string(out, self.message.sender_face_url);
        out.extend_from_slice(b",\"senderNickName\":");
        json::string(out, self.message.sender_nick_name);
        out.extend_from_slice(b",\"senderPlatformID\":");
        json::integer(out, self.message.sender_platform_id.into());
        out.extend_from_slice(b",\"seq\":");
    }

    pub(crate) fn until_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"serverMsgID\":");
        json::string(out, self.server_msg_id);
        out.extend_from_slice(b",\"sessionType\":");
        json::integer(out, self.message.session_type.into());
        out.extend_from_slice(b"},\"errCode\":0,\"errMsg\":\"\",\"reqIdentifier\":2001}");
    }

    /// The whole object in the reply to a pull; `owner`, of the inbox, for a message to a group.
    pub(crate) fn pulled(&self, out: &mut Vec<u8>, owner: Option<&str>) {
        let message = &self.message;
        out.reserve(320 + message.content.len());
        out.extend_from_slice(b"{\"sendID\":");
        json::string(out, message.send_id);
        out.extend_from_slice(b",\"recvID\":\"");
        if let Some(owner) = owner {
            json::escaped(out, owner);
            out.push(b' ');
        }
        json::escaped(out, message.recv_id);
        out.push(b'"');
        out.extend_from_slice(b",\"msgFrom\":");
        json::integer(out, message.msg_from.into());
        out.extend_from_slice(b",\"contentType\":");
        json::integer(out, message.content_type.into());
        out.extend_from_slice(b",\"serverMsgID\":");
        json::string(out, self.server_msg_id);
        out.extend_from_slice(b",\"content\":");
        json::string(out, message.content);
        out.extend_from_slice(b",\"seq\":");
        json::integer(out, self.seq);
        out.extend_from_slice(b",\"sendTime\":");
        json::integer(out, self.send_time);
        out.extend_from_slice(b",\"senderPlatformID\":");
        json::integer(out, message.sender_platform_id.into());
        out.extend_from_slice(b",\"senderNickName\":");
        json::string(out, message.sender_nick_name);
        out.extend_from_slice(b",\"senderFaceUrl\":");
        json::string(out, message.sender_face_url);
        out.extend_from_slice(b",\"clientMsgID\":");
        json::string(out, message.client_msg_id);
        out.push(b'}');
    }
}
