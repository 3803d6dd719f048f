//! Tips: the messages by which users learn what happened to their friends and groups.
//!
//! In: names and ids. Out: content type, `msgFrom` and the text of the content (REST spec 1.9, 7.7, 7.10);
//! and who was removed, read out of the content of a kick notice. Never says who receives a tip.

pub mod june;

use std::borrow::Cow;

use crate::json::{self, Object};
use crate::rest::body::body;
use crate::rest::{BindError, KickedMember};

/// The generation whose numbers and texts friend tips have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// That of every SDK that was published.
    June,
    /// That of the original.
    May,
}

impl Generation {
    /// The content type of a friend request.
    #[must_use]
    pub const fn request(self) -> i32 {
        match self {
            Self::June => 202,
            Self::May => 201,
        }
    }

    /// The content type of an agreement.
    #[must_use]
    pub const fn agreement(self) -> i32 {
        match self {
            Self::June => 201,
            Self::May => 202,
        }
    }
}

/// The content type of a refusal; June only.
pub const REFUSAL: i32 = 203;
/// The content type of a changed profile; June only.
pub const PROFILE_CHANGED: i32 = 204;
/// The content type of a group that has another owner.
pub const GROUP_TRANSFERRED: i32 = 501;
/// The content type of a new group.
pub const GROUP_CREATED: i32 = 502;
/// The content type by which a member says that it has left. The group's members and its author get it.
pub const GROUP_QUIT: i32 = 505;
/// The content type of members removed. The group's members and those removed get it.
pub const GROUP_KICKED: i32 = 509;
/// The content type of members added.
pub const GROUP_INVITED: i32 = 510;
/// The content type of a group that has ended. No generation of the original has it: a number that is free in
/// all, among those that clients take for tips about groups.
pub const GROUP_DISSOLVED: i32 = 513;

const FROM_USER: i32 = 100;
const FROM_SYSTEM: i32 = 200;
const BECOME_FRIENDS: &str = "You have successfully become friends, so start chatting";

/// A tip's own part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// What it says.
    pub content_type: i32,
    /// 100 user, 200 system.
    pub msg_from: i32,
    /// As clients read it.
    pub content: String,
}

/// To the one who is asked, from the applicant called `name`.
#[must_use]
pub fn friend_request(generation: Generation, name: &str) -> Tip {
    let text = format!("{name} asked to add you as a friend");
    let content = friend_content(generation, false, text);
    Tip { content_type: generation.request(), msg_from: FROM_SYSTEM, content }
}

/// To the applicant, from the one called `name` who agreed.
#[must_use]
pub fn friend_agreement(generation: Generation, name: &str) -> Tip {
    let text = format!("{name} agreed to add you as a friend.");
    let content = friend_content(generation, true, text);
    Tip { content_type: generation.agreement(), msg_from: FROM_SYSTEM, content }
}

/// To the applicant, from the one called `name` who refused.
#[must_use]
pub fn friend_refusal(generation: Generation, name: &str) -> Option<Tip> {
    if generation == Generation::May {
        return None;
    }
    let text = format!("{name} refuse to add you as a friend.");
    let content = friend_content(generation, false, text);
    Some(Tip { content_type: REFUSAL, msg_from: FROM_USER, content })
}

/// To the owner of the list that a manager gave a friend, from that friend.
#[must_use]
pub fn friend_imported(generation: Generation) -> Tip {
    let content = match generation {
        Generation::June => notification(BECOME_FRIENDS, ""),
        Generation::May => BECOME_FRIENDS.to_owned(),
    };
    Tip { content_type: generation.agreement(), msg_from: FROM_USER, content }
}

/// To each friend of `uid`, whose profile has changed.
#[must_use]
pub fn profile_changed(generation: Generation, uid: &str) -> Option<Tip> {
    if generation == Generation::May {
        return None;
    }
    let content = format!("{uid}'s info has changed");
    Some(Tip { content_type: PROFILE_CHANGED, msg_from: FROM_SYSTEM, content })
}

/// To a group that a manager made.
#[must_use]
pub fn group_created(group_id: &str, group_name: &str) -> Tip {
    let content = notification(group_name, group_id);
    Tip { content_type: GROUP_CREATED, msg_from: FROM_SYSTEM, content }
}

/// To a group that has ended.
#[must_use]
pub fn group_dissolved(group_id: &str) -> Tip {
    let content = notification("The group has been dismissed", group_id);
    Tip { content_type: GROUP_DISSOLVED, msg_from: FROM_SYSTEM, content }
}

/// To a group that has a new owner because the old one was deleted.
#[must_use]
pub fn group_transferred(group_id: &str, old: &str, new: &str, operation_id: &str) -> Tip {
    let detail = text_of(|out| {
        Object::begin(out)
            .text("GroupID", group_id)
            .text("OldOwner", old)
            .text("NewOwner", new)
            .text("OperationID", operation_id)
            .end();
    });
    let content = notification("The owner of the group is transferred!", &detail);
    Tip { content_type: GROUP_TRANSFERRED, msg_from: FROM_USER, content }
}

/// Members that a manager added.
#[derive(Clone, Copy, Debug)]
pub struct Invited<'a> {
    /// To which group.
    pub group_id: &'a str,
    /// Whom.
    pub uids: &'a [&'a str],
    /// Their names.
    pub names: &'a [&'a str],
    /// As the manager gave it.
    pub reason: &'a str,
    /// The manager's name.
    pub manager_name: &'a str,
    /// The manager's trace id.
    pub operation_id: &'a str,
}

/// To a group that has new members.
#[must_use]
pub fn group_invited(invited: &Invited<'_>) -> Tip {
    let (shown, detail) = invitation(invited);
    let content = notification(&shown, &detail);
    Tip { content_type: GROUP_INVITED, msg_from: FROM_USER, content }
}

/// What is shown of an invitation, and its detail.
fn invitation(invited: &Invited<'_>) -> (String, String) {
    let mut shown = String::new();
    for name in invited.names {
        shown.push_str(name);
        shown.push(' ');
    }
    shown.push_str("  invited into the group chat by ");
    shown.push_str(invited.manager_name);
    let detail = text_of(|out| {
        Object::begin(out)
            .text("groupID", invited.group_id)
            .with("uidList", |out| list(out, invited.uids, json::string))
            .text("reason", invited.reason)
            .text("operationID", invited.operation_id)
            .end();
    });
    (shown, detail)
}

/// To a group that has lost members to a manager, and to each of them. Without the reason, as in the
/// original.
#[must_use]
pub fn group_kicked(group_id: &str, uids: &[&str], operation_id: &str) -> Tip {
    let content = notification(group_id, &kicked_detail(group_id, uids, "", operation_id));
    Tip { content_type: GROUP_KICKED, msg_from: FROM_USER, content }
}

fn kicked_detail(group_id: &str, uids: &[&str], reason: &str, operation_id: &str) -> String {
    let member = |out: &mut Vec<u8>, uid: &str| {
        Object::begin(out)
            .text("groupID", group_id)
            .text("userId", uid)
            .integer("role", 0)
            .integer("joinTime", 0)
            .text("nickName", "")
            .text("faceUrl", "")
            .end();
    };
    text_of(|out| {
        Object::begin(out)
            .text("groupID", group_id)
            .with("uidListInfo", |out| list(out, uids, member))
            .text("reason", reason)
            .text("operationID", operation_id)
            .end();
    })
}

body! {
    struct Notification<'a> {
        detail: Cow<'a, str> = "detail", required;
    }
}

body! {
    struct KickDetail<'a> {
        uid_list_info: Vec<KickedMember<'a>> = "uidListInfo", required, ids;
    }
}

/// Who was removed, by the content of a [`GROUP_KICKED`] message: at most `ids_max` uids, none of them
/// empty.
///
/// # Errors
/// If the content is no such notice, or names more.
pub fn kicked_uids(content: &str, ids_max: usize) -> Result<Vec<String>, BindError> {
    let notice = Notification::read(content.as_bytes(), "NotificationContent", 0).flatten()?;
    let detail = notice.detail.as_bytes();
    let detail = KickDetail::read(detail, "KickGroupMemberReq", ids_max).flatten()?;
    let uids = detail.uid_list_info.into_iter().map(|member| member.user_id.into_owned());
    Ok(uids.filter(|uid| !uid.is_empty()).collect())
}

fn friend_content(generation: Generation, display: bool, text: String) -> String {
    match generation {
        Generation::May => text,
        Generation::June => text_of(|out| {
            Object::begin(out)
                .integer("isDisplay", display.into())
                .text("id", "")
                .text("text", &text)
                .end();
        }),
    }
}

/// What the later release calls NotificationContent.
fn notification(shown: &str, detail: &str) -> String {
    text_of(|out| {
        Object::begin(out)
            .integer("isDisplay", 1)
            .text("defaultTips", shown)
            .text("detail", detail)
            .end();
    })
}

fn list(out: &mut Vec<u8>, texts: &[&str], mut element: impl FnMut(&mut Vec<u8>, &str)) {
    out.push(b'[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        element(out, text);
    }
    out.push(b']');
}

fn text_of(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("the writer appends whole characters")
}
