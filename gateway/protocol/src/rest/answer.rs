//! Answers with data: lists written in pieces, and what is in them.
//!
//! In: borrowed rows. Out: JSON text appended to the caller's buffer, which may be sent and emptied
//! between any two calls: a list of twenty thousand members never stands in memory. The outcome is written
//! last, so a store that fails halfway still ends in an answer that the client will drop; the order
//! of keys means nothing to clients. Lists are never null.

mod group;
mod managers;
mod third;
mod user;
mod why;

pub use group::{
    ApplicationsWriter, GroupApplication, GroupInfo, GroupInfoFilled, GroupMember,
    create_group_answer,
};
pub use managers::{AccountStatus, OnlineStatus, manager_send_msg_answer, manager_send_msg_error};
pub use third::{StorageCredential, tencent_cloud_storage_credential_answer};
pub use user::{
    FriendApplication, FriendEntry, Profile, SearchedFriend, get_friends_info_answer,
    get_user_info_error, is_friend_answer, search_friend_answer,
};
pub use why::{WhyAnswer, WhyMessage, why_answer};

use crate::errcode::ErrCode;
use crate::json::{self, Object};

/// What may be in a list.
pub trait Element {
    /// Appends its JSON.
    fn append(&self, out: &mut Vec<u8>);
}

/// The key that a list stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKey {
    /// Of most routes.
    Data,
    /// `/manager/delete_user` and `/friend/import_friend`.
    FailedUidList,
    /// `/manager/get_all_users_uid`.
    UidList,
    /// `/manager/account_check`.
    Result,
    /// `/user/get_users_online_status` and its twin for managers.
    SuccessResult,
}

impl ListKey {
    const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::FailedUidList => "failedUidList",
            Self::UidList => "uidList",
            Self::Result => "result",
            Self::SuccessResult => "successResult",
        }
    }
}

/// A list being written. It must be ended, or the text stays open.
#[must_use = "a list that is not ended is no JSON"]
#[derive(Debug)]
pub struct ListWriter {
    first: bool,
}

impl ListWriter {
    /// Starts the answer.
    pub fn begin(out: &mut Vec<u8>, key: ListKey) -> Self {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(key.name().as_bytes());
        out.extend_from_slice(b"\":[");
        Self { first: true }
    }

    /// Appends an element.
    pub fn element(&mut self, out: &mut Vec<u8>, element: &(impl Element + ?Sized)) {
        if !std::mem::replace(&mut self.first, false) {
            out.push(b',');
        }
        element.append(out);
    }

    /// Ends the answer.
    pub fn end(self, out: &mut Vec<u8>, code: ErrCode, text: &str) {
        out.push(b']');
        close(out, code, text);
    }

    /// Ends the answer of `/group/get_group_member_list`: `next_seq` is where the next page begins, 0 if
    /// there is none.
    pub fn end_page(self, out: &mut Vec<u8>, code: ErrCode, text: &str, next_seq: i32) {
        out.extend_from_slice(b"],\"nextSeq\":");
        json::integer(out, next_seq.into());
        close(out, code, text);
    }
}

/// Appends an answer whose list is empty.
pub fn list_error(out: &mut Vec<u8>, key: ListKey, code: ErrCode, text: &str) {
    ListWriter::begin(out, key).end(out, code, text);
}

/// Appends an answer with a list of uids that is at hand.
pub fn uid_list_answer<T: AsRef<str>>(
    out: &mut Vec<u8>,
    key: ListKey,
    uids: &[T],
    code: ErrCode,
    text: &str,
) {
    let mut list = ListWriter::begin(out, key);
    for uid in uids {
        list.element(out, uid.as_ref());
    }
    list.end(out, code, text);
}

impl Element for str {
    fn append(&self, out: &mut Vec<u8>) {
        json::string(out, self);
    }
}

/// What came of one id of `/group/invite_user_to_group` or `/group/kick_group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdResult<'a> {
    /// Who.
    pub uid: &'a str,
    /// Whether it was done.
    pub done: bool,
}

impl Element for IdResult<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        let result = if self.done { 0 } else { -1 };
        Object::begin(out).text("uid", self.uid).integer("result", result).end();
    }
}

/// A conversation's option, or 0 for an option that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationOption<'a> {
    /// `single_<uid>` or `group_<group id>`.
    pub conversation_id: &'a str,
    /// 0, 1 or 2.
    pub result: i32,
}

impl Element for ConversationOption<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .text("conversationId", self.conversation_id)
            .integer("result", self.result.into())
            .end();
    }
}

/// Appends the outcome and the closing brace, behind the other members.
fn close(out: &mut Vec<u8>, code: ErrCode, text: &str) {
    out.extend_from_slice(b",\"errCode\":");
    json::integer(out, code.number().into());
    out.extend_from_slice(b",\"errMsg\":");
    json::string(out, text);
    out.push(b'}');
}

/// Appends a success with an object as its data.
fn data_answer(out: &mut Vec<u8>, data: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"data\":");
    data(out);
    close(out, ErrCode::Ok, "");
}
