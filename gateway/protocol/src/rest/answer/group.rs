//! Groups, their members, and requests to join them.

use super::{Element, close, data_answer};
use crate::errcode::ErrCode;
use crate::json::{self, Object};

/// A group, as `/group/get_joined_group_list` lists it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupInfo<'a> {
    /// Id.
    pub group_id: &'a str,
    /// Name.
    pub group_name: &'a str,
    /// What members are told.
    pub notification: &'a str,
    /// What it is about.
    pub introduction: &'a str,
    /// Address of the picture.
    pub face_url: &'a str,
    /// The owner's uid.
    pub owner_id: &'a str,
    /// When it was made, unix seconds.
    pub create_time: i64,
    /// How many members.
    pub member_count: u32,
}

impl Element for GroupInfo<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(220);
        Object::begin(out)
            .text("groupId", self.group_id)
            .text("groupName", self.group_name)
            .text("notification", self.notification)
            .text("introduction", self.introduction)
            .text("faceUrl", self.face_url)
            .text("ownerId", self.owner_id)
            .integer("createTime", self.create_time)
            .integer("memberCount", self.member_count.into())
            .end();
    }
}

/// A group, as `/group/get_groups_info` lists it: without what is empty or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupInfoFilled<'a>(pub GroupInfo<'a>);

impl Element for GroupInfoFilled<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        let Self(group) = self;
        Object::begin(out)
            .filled_text("groupId", group.group_id)
            .filled_text("groupName", group.group_name)
            .filled_text("notification", group.notification)
            .filled_text("introduction", group.introduction)
            .filled_text("faceUrl", group.face_url)
            .filled_integer("createTime", group.create_time)
            .filled_text("ownerId", group.owner_id)
            .filled_integer("memberCount", group.member_count.into())
            .end();
    }
}

/// A member; of somebody who is none, the uid alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMember<'a> {
    /// Of which group.
    pub group_id: &'a str,
    /// Who.
    pub user_id: &'a str,
    /// 0 ordinary, 1 owner, 2 administrator.
    pub role: i32,
    /// When they joined, unix seconds.
    pub join_time: i64,
    /// Name.
    pub nick_name: &'a str,
    /// Address of the picture.
    pub face_url: &'a str,
}

impl Element for GroupMember<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(160);
        Object::begin(out)
            .text("groupID", self.group_id)
            .text("userId", self.user_id)
            .integer("role", self.role.into())
            .integer("joinTime", self.join_time)
            .text("nickName", self.nick_name)
            .text("faceUrl", self.face_url)
            .end();
    }
}

/// A request to join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupApplication<'a> {
    /// Which request.
    pub id: &'a str,
    /// To which group.
    pub group_id: &'a str,
    /// The applicant.
    pub from_user_id: &'a str,
    /// `"0"` for an application, else who was invited.
    pub to_user_id: &'a str,
    /// 0 open, 1 agreed, −1 refused.
    pub flag: i32,
    /// What the applicant says.
    pub req_msg: &'a str,
    /// What the one who handled it said.
    pub handled_msg: &'a str,
    /// When it was made, unix seconds.
    pub create_time: i64,
    /// The applicant's name then.
    pub from_user_nick_name: &'a str,
    /// The invited one's name then.
    pub to_user_nick_name: &'a str,
    /// Address of the applicant's picture then.
    pub from_user_face_url: &'a str,
    /// Address of the invited one's picture then.
    pub to_user_face_url: &'a str,
    /// Who handled it; empty while open.
    pub handled_user: &'a str,
    /// Who reads the answer.
    pub reader: &'a str,
}

impl GroupApplication<'_> {
    /// 0 applied, 1 invited.
    fn kind(&self) -> i64 {
        (self.to_user_id != "0").into()
    }

    /// 0 open, 1 handled by somebody else, 2 handled by the reader.
    fn handle_status(&self) -> i64 {
        match self.handled_user {
            "" => 0,
            by if by == self.reader => 2,
            _ => 1,
        }
    }
}

impl Element for GroupApplication<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(420);
        Object::begin(out)
            .text("id", self.id)
            .text("groupID", self.group_id)
            .text("fromUserID", self.from_user_id)
            .text("toUserID", self.to_user_id)
            .integer("flag", self.flag.into())
            .text("reqMsg", self.req_msg)
            .text("requestMsg", self.req_msg)
            .text("handledMsg", self.handled_msg)
            .integer("createTime", self.create_time)
            .integer("addTime", self.create_time)
            .text("fromUserNickName", self.from_user_nick_name)
            .text("toUserNickName", self.to_user_nick_name)
            .text("fromUserFaceURL", self.from_user_face_url)
            .text("toUserFaceURL", self.to_user_face_url)
            .text("fromUserFaceUrl", self.from_user_face_url)
            .text("toUserFaceUrl", self.to_user_face_url)
            .text("handledUser", self.handled_user)
            .integer("type", self.kind())
            .integer("handleStatus", self.handle_status())
            .integer("handleResult", (self.flag == 1).into())
            .end();
    }
}

/// The answer of `/group/get_group_applicationList` being written. It must be ended, or the text stays
/// open.
#[must_use = "a list that is not ended is no JSON"]
#[derive(Debug)]
pub struct ApplicationsWriter {
    first: bool,
    /// Requests written that are open.
    open: i64,
}

impl ApplicationsWriter {
    /// Starts the answer.
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"data\":{\"user\":[");
        Self { first: true, open: 0 }
    }

    /// Appends a request.
    pub fn element(&mut self, out: &mut Vec<u8>, application: &GroupApplication<'_>) {
        if !std::mem::replace(&mut self.first, false) {
            out.push(b',');
        }
        self.open += i64::from(application.flag == 0);
        application.append(out);
    }

    /// Ends the answer. Its `count` is that of the open requests written.
    pub fn end(self, out: &mut Vec<u8>, code: ErrCode, text: &str) {
        out.extend_from_slice(b"],\"count\":");
        json::integer(out, self.open);
        out.push(b'}');
        close(out, code, text);
    }
}

/// Appends the success of `/group/create_group`.
pub fn create_group_answer(out: &mut Vec<u8>, group_id: &str) {
    data_answer(out, |out| Object::begin(out).text("groupID", group_id).end());
}
