//! The answer to why somebody did not get a message.

use crate::errcode::ErrCode;
use crate::json::Object;

/// Why.
#[derive(Clone, Copy, Debug)]
pub struct WhyAnswer<'a> {
    /// One of twelve names.
    pub reason: &'a str,
    /// In plain words.
    pub text: &'a str,
    /// The same in Chinese.
    pub text_zh: &'a str,
    /// The moment that it tells of, unix milliseconds; 0: none.
    pub at: i64,
    /// The device that it tells of; 0: none.
    pub platform: i64,
    /// The link that it tells of; empty: none.
    pub link: &'a str,
    /// Where in the inbox; 0: not in there.
    pub seq: i64,
    /// What the send was refused with; 0: it was not.
    pub code: i32,
    /// Since when the journal of links is whole, unix milliseconds.
    pub known_from: i64,
    /// The message, if it was found.
    pub message: Option<WhyMessage<'a>>,
}

/// Which message.
#[derive(Clone, Copy, Debug)]
pub struct WhyMessage<'a> {
    /// Its client's id.
    pub client_msg_id: &'a str,
    /// The server's.
    pub server_msg_id: &'a str,
    /// Who sent it.
    pub send_id: &'a str,
    /// To whom.
    pub recv_id: &'a str,
    /// 1 single, 2 group.
    pub session_type: i32,
    /// When, unix milliseconds.
    pub send_time: i64,
}

/// Appends the answer.
pub fn why_answer(out: &mut Vec<u8>, why: &WhyAnswer<'_>) {
    Object::begin(out)
        .integer("errCode", ErrCode::Ok.number().into())
        .text("errMsg", "")
        .with("data", |out| {
            Object::begin(out)
                .text("reason", why.reason)
                .text("text", why.text)
                .text("textZh", why.text_zh)
                .integer("at", why.at)
                .integer("platform", why.platform)
                .text("link", why.link)
                .integer("seq", why.seq)
                .integer("code", why.code.into())
                .integer("knownFrom", why.known_from)
                .with("message", |out| match &why.message {
                    Some(message) => message.append(out),
                    None => out.extend_from_slice(b"null"),
                })
                .end();
        })
        .end();
}

impl WhyMessage<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .text("clientMsgID", self.client_msg_id)
            .text("serverMsgID", self.server_msg_id)
            .text("sendID", self.send_id)
            .text("recvID", self.recv_id)
            .integer("sessionType", self.session_type.into())
            .integer("sendTime", self.send_time)
            .end();
    }
}
