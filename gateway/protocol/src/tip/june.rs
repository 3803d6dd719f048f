//! Tips about groups that the server of June 2021 sent for every caller; later its clients sent them.
//!
//! In: what happened. Out: the tip. Its content is one object for all generations: what clients of June
//! read at the top, and what later ones read as `defaultTips` and `detail` beside it. Where the server of
//! June wrote what its own clients could not read (501, 502, 504, 507), it is what they look for.

use super::{
    FROM_SYSTEM, FROM_USER, GROUP_CREATED, GROUP_INVITED, GROUP_KICKED, GROUP_QUIT, Invited, Tip,
    invitation, kicked_detail, list, text_of,
};
use crate::json::{self, Object};

/// The content type of a new owner.
const OWNER_CHANGED: i32 = 501;
/// The content type of a request to join, to the group's owner.
const GROUP_ASKED: i32 = 504;
/// The content type of a group that is described anew.
const GROUP_DESCRIBED: i32 = 506;
/// The content type of a request that was agreed to, to the group.
const REQUEST_AGREED: i32 = 507;
/// The content types of an answered request, to the applicant.
const AGREED: i32 = 511;
const REFUSED: i32 = 512;

/// The object, and in it what later clients read.
fn object<'a>(out: &'a mut Vec<u8>, display: bool, shown: &str, detail: &str) -> Object<'a> {
    Object::begin(out)
        .integer("isDisplay", display.into())
        .text("defaultTips", shown)
        .text("detail", detail)
}

/// To a group that `name`d users were put into by its first owner.
#[must_use]
pub fn created(group_id: &str, name: &str) -> Tip {
    let content = text_of(|out| {
        let shown = format!("You have joined the group chat:{name}");
        object(out, false, &shown, group_id).text("id", "").text("text", name).end();
    });
    Tip { content_type: GROUP_CREATED, msg_from: FROM_SYSTEM, content }
}

/// To the owner of a group that `uid` asks to join.
#[must_use]
pub fn asked(group_id: &str, uid: &str, message: &str) -> Tip {
    let content = text_of(|out| {
        let shown = format!("User\u{ff1a}{uid} application to join your group");
        object(out, false, &shown, &format!("{group_id},{message}"))
            .text("id", "")
            .text("text", &shown)
            .text("groupID", group_id)
            .text("message", message)
            .end();
    });
    Tip { content_type: GROUP_ASKED, msg_from: FROM_SYSTEM, content }
}

/// To a group that somebody called `name` has left.
#[must_use]
pub fn quit(group_id: &str, name: &str, operation_id: &str) -> Tip {
    let content = text_of(|out| {
        object(out, true, &format!("User: {name} have quit group chat"), group_id)
            .text("groupID", group_id)
            .text("operationID", operation_id)
            .end();
    });
    Tip { content_type: GROUP_QUIT, msg_from: FROM_SYSTEM, content }
}

/// What a group is called and shows now.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// Which group.
    pub group_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What members are told.
    pub notification: &'a str,
    /// What it is about.
    pub introduction: &'a str,
    /// Address of its picture.
    pub face_url: &'a str,
    /// The caller's trace id.
    pub operation_id: &'a str,
}

/// To a group that is described anew.
#[must_use]
pub fn described(group: &Described<'_>) -> Tip {
    let fields = |object: Object<'_>| {
        object
            .text("groupID", group.group_id)
            .text("groupName", group.name)
            .text("notification", group.notification)
            .text("introduction", group.introduction)
            .text("faceUrl", group.face_url)
            .text("operationID", group.operation_id)
            .end();
    };
    let detail = text_of(|out| fields(Object::begin(out)));
    let content = text_of(|out| fields(object(out, true, "Group Info has been changed", &detail)));
    Tip { content_type: GROUP_DESCRIBED, msg_from: FROM_SYSTEM, content }
}

/// To a group whose owner is another one now.
#[must_use]
pub fn owner_changed(group_id: &str, old: &str, new: &str, operation_id: &str) -> Tip {
    let fields = |object: Object<'_>| {
        object
            .text("GroupID", group_id)
            .text("OldOwner", old)
            .text("NewOwner", new)
            .text("OperationID", operation_id)
            .end();
    };
    let detail = text_of(|out| fields(Object::begin(out)));
    let shown = "The owner of the group is transferred!";
    let content = text_of(|out| fields(object(out, true, shown, &detail)));
    Tip { content_type: OWNER_CHANGED, msg_from: FROM_USER, content }
}

/// An answered request to join, and who answered it.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Which group.
    pub group_id: &'a str,
    /// The applicant.
    pub from: &'a str,
    /// The applicant's name.
    pub from_name: &'a str,
    /// Address of the applicant's picture.
    pub from_face_url: &'a str,
    /// `"0"` for an application, else who was invited.
    pub to: &'a str,
    /// When the request was made, unix seconds, as the caller gave it.
    pub add_time: i64,
    /// What the applicant said, as the caller gave it.
    pub request: &'a str,
    /// What the one who answered said.
    pub answer: &'a str,
    /// Who answered.
    pub by: &'a str,
    /// Their name.
    pub by_name: &'a str,
    /// Address of their picture.
    pub by_face_url: &'a str,
    /// Their role in the group, and since when they are in it, unix seconds.
    pub by_role: i32,
    /// See `by_role`.
    pub by_join_time: i64,
    /// The caller's trace id.
    pub operation_id: &'a str,
}

/// To a group that a request to join was agreed to.
#[must_use]
pub fn agreed(answered: &Answered<'_>) -> Tip {
    let info = text_of(|out| {
        Object::begin(out)
            .text("operationID", answered.operation_id)
            .text("groupID", answered.group_id)
            .text("fromUserID", answered.from)
            .text("fromUserNickName", answered.from_name)
            .text("fromUserFaceUrl", answered.from_face_url)
            .text("toUserNickName", "")
            .text("toUserFaceURL", "")
            .text("toUserID", answered.to)
            .integer("addTime", answered.add_time)
            .text("requestMsg", answered.request)
            .text("handledMsg", answered.answer)
            .integer("type", (answered.to != "0").into())
            .integer("handleStatus", 2)
            .integer("handleResult", 1)
            .end();
    });
    let detail = text_of(|out| {
        Object::begin(out)
            .with("info", |out| out.extend_from_slice(info.as_bytes()))
            .text("handUserID", answered.by)
            .text("handUserName", answered.by_name)
            .text("handUserIcon", answered.by_face_url)
            .end();
    });
    let content = text_of(|out| {
        object(out, true, &format!("{} join the group", answered.from_name), &detail)
            .text("OperationID", answered.operation_id)
            .text("OwnerID", answered.by)
            .text("GroupID", answered.group_id)
            .text("FromUserID", answered.from)
            .text("FromUserNickName", answered.from_name)
            .text("FromUserFaceUrl", answered.from_face_url)
            .text("ToUserID", answered.to)
            .text("ToUserNickName", "")
            .text("ToUserFaceUrl", "")
            .integer("AddTime", answered.add_time)
            .text("RequestMsg", answered.request)
            .text("HandledMsg", answered.answer)
            .end();
    });
    Tip { content_type: REQUEST_AGREED, msg_from: FROM_SYSTEM, content }
}

/// To the applicant: the request was answered, and by whom.
#[must_use]
pub fn answered(agree: bool, answered: &Answered<'_>) -> Tip {
    let content = text_of(|out| {
        Object::begin(out)
            .text("groupID", answered.group_id)
            .text("userId", answered.by)
            .integer("role", answered.by_role.into())
            .integer("joinTime", answered.by_join_time)
            .text("nickName", answered.by_name)
            .text("faceUrl", answered.by_face_url)
            .text("reason", answered.answer)
            .end();
    });
    let content_type = if agree { AGREED } else { REFUSED };
    Tip { content_type, msg_from: FROM_SYSTEM, content }
}

/// To a group that has new members, by one of its own.
#[must_use]
pub fn invited(invited: &Invited<'_>) -> Tip {
    let (shown, detail) = invitation(invited);
    let content = text_of(|out| {
        object(out, true, &shown, &detail)
            .text("groupID", invited.group_id)
            .with("uidList", |out| list(out, invited.uids, json::string))
            .text("reason", invited.reason)
            .text("operationID", invited.operation_id)
            .end();
    });
    Tip { content_type: GROUP_INVITED, msg_from: FROM_USER, content }
}

/// To a group that has lost members to one of its leaders, and to each of them.
#[must_use]
pub fn kicked(group_id: &str, uids: &[&str], reason: &str, operation_id: &str) -> Tip {
    let detail = kicked_detail(group_id, uids, reason, operation_id);
    let content = text_of(|out| {
        object(out, true, group_id, &detail)
            .text("groupID", group_id)
            .with("uidList", |out| list(out, uids, json::string))
            .text("reason", reason)
            .text("operationID", operation_id)
            .end();
    });
    Tip { content_type: GROUP_KICKED, msg_from: FROM_USER, content }
}
