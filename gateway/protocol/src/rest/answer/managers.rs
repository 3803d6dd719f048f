//! What managers ask about users, and the receipts of their messages.

use super::Element;
use crate::errcode::ErrCode;
use crate::json::Object;

/// Whether somebody is registered, as `/manager/account_check` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountStatus<'a> {
    /// Who.
    pub user_id: &'a str,
    /// Whether they are.
    pub is_registered: bool,
}

impl Element for AccountStatus<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        let status = if self.is_registered { "registered" } else { "unregistered" };
        Object::begin(out).text("userID", self.user_id).text("accountStatus", status).end();
    }
}

/// Where somebody is online, as both `get_users_online_status` list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlineStatus<'a> {
    /// Who.
    pub user_id: &'a str,
    /// Names of the platforms with a link; none is offline.
    pub platforms: &'a [&'a str],
}

impl Element for OnlineStatus<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        let object = Object::begin(out).text("userID", self.user_id);
        if self.platforms.is_empty() {
            return object.text("status", "offline").end();
        }
        let object = object.text("status", "online");
        object.with("detailPlatformStatus", |out| detail(out, self.platforms)).end();
    }
}

fn detail(out: &mut Vec<u8>, platforms: &[&str]) {
    out.push(b'[');
    for (index, platform) in platforms.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        Object::begin(out).text("platform", platform).text("status", "online").end();
    }
    out.push(b']');
}

/// Appends the receipt of `/manager/send_msg`; `send_time` is in the unit of the wire.
pub fn manager_send_msg_answer(out: &mut Vec<u8>, send_time: i64, msg_id: &str) {
    Object::begin(out)
        .integer("errCode", 0)
        .text("errMsg", "")
        .integer("sendTime", send_time)
        .text("msgID", msg_id)
        .end();
}

/// Appends the refusal of `/manager/send_msg` to a caller who may not. The id is spelled as in the
/// original, unlike that of the receipt.
pub fn manager_send_msg_error(out: &mut Vec<u8>, code: ErrCode, text: &str) {
    Object::begin(out)
        .integer("errCode", code.number().into())
        .text("errMsg", text)
        .integer("sendTime", 0)
        .text("MsgID", "")
        .end();
}
