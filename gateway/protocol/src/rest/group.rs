//! `/group`: the bodies.

use std::borrow::Cow;

use super::BindError;
use super::body::{body, element};
use super::column::all_fit;

element! {
    /// A user to start a group with.
    pub struct FirstMember<'a> {
        /// Who.
        uid: Cow<'a, str> = "uid";
        /// 0 ordinary, 1 owner, 2 administrator; any number can come.
        set_role: i32 = "setRole";
    }
}

/// The reason of a change, which is told to all members.
const REASON_CHARS_MAX: usize = 255;

body! {
    "/group/create_group" => decode_create_group(ids_max), "paramsCreateGroupStruct";
    /// A group to make.
    pub struct CreateGroup<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom it starts with.
        member_list: Vec<FirstMember<'a>> = "memberList", ids;
        /// Empty for the default name.
        group_name: Cow<'a, str> = "groupName";
        /// The same, as clients of June 2021 write it.
        name: Cow<'a, str> = "name";
        /// What it is about.
        introduction: Cow<'a, str> = "introduction";
        /// What members are told.
        notification: Cow<'a, str> = "notification";
        /// Address of the picture.
        face_url: Cow<'a, str> = "faceUrl";
        /// For the application.
        ex: Cow<'a, str> = "ex";
    }
}

impl CreateGroup<'_> {
    /// Whether each text fits its column. One that does not is errCode 619, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        let Self { group_name, name, introduction, notification, face_url, ex, .. } = self;
        all_fit(&[group_name, name, introduction, notification, face_url, ex])
    }
}

body! {
    "/group/set_group_info" => decode_set_group_info, "paramsSetGroupInfo";
    /// Changes of a group. What is empty stays as it is.
    pub struct SetGroupInfo<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty. The SDKs write `groupID`.
        group_id: Cow<'a, str> = "groupId", required;
        /// Name.
        group_name: Cow<'a, str> = "groupName";
        /// What members are told.
        notification: Cow<'a, str> = "notification";
        /// What it is about.
        introduction: Cow<'a, str> = "introduction";
        /// Address of the picture.
        face_url: Cow<'a, str> = "faceUrl";
    }
}

impl SetGroupInfo<'_> {
    /// Whether each text fits its column. One that does not is errCode 622, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        let Self { group_name, introduction, notification, face_url, .. } = self;
        all_fit(&[group_name, introduction, notification, face_url])
    }

    /// Whether anything is to be changed.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        let Self { group_name, introduction, notification, face_url, .. } = self;
        [group_name, introduction, notification, face_url].iter().any(|text| !text.is_empty())
    }
}

body! {
    "/group/join_group" => decode_join_group, "paramsJoinGroup";
    /// A request to join.
    pub struct JoinGroup<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty.
        group_id: Cow<'a, str> = "groupID", required;
        /// What the applicant says.
        message: Cow<'a, str> = "message";
    }
}

impl JoinGroup<'_> {
    /// Whether the message fits its column. One that does not is errCode 620, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        all_fit(&[&self.message])
    }
}

body! {
    "/group/quit_group" => decode_quit_group, "paramsQuitGroup";
    "/group/dismiss_group" => decode_dismiss_group, "paramsDismissGroup";
    /// The caller leaves, or ends the group.
    pub struct QuitGroup<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty.
        group_id: Cow<'a, str> = "groupID", required;
    }
}

body! {
    "/group/get_groups_info" => decode_get_groups_info(ids_max), "paramsGetGroupInfo";
    /// A question for groups.
    pub struct GetGroupsInfo<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which groups.
        group_id_list: Vec<Cow<'a, str>> = "groupIDList", required, ids;
    }
}

body! {
    "/group/get_joined_group_list" => decode_get_joined_group_list, "paramsGetJoinedGroupList";
    "/group/get_group_applicationList" => decode_get_group_application_list, "paramsGroupApplicationList";
    /// A call for one of the caller's own lists of groups.
    pub struct OwnGroups<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
    }
}

body! {
    "/group/get_group_member_list" => decode_get_group_member_list, "paramsGetGroupMember";
    /// A question for a page of members. A group that is not named is unknown.
    pub struct GetGroupMemberList<'a> {
        /// The client's trace id.
        operation_id: Cow<'a, str> = "operationID", id_max;
        /// Which group.
        group_id: Cow<'a, str> = "groupID";
        /// Of no effect.
        filter: i32 = "filter";
        /// Where the page begins; any number can come.
        next_seq: i32 = "nextSeq";
    }
}

body! {
    "/group/get_group_all_member_list" => decode_get_group_all_member_list, "paramsGetGroupAllMember";
    /// A question for all members. A group that is not named is unknown.
    pub struct GetGroupAllMemberList<'a> {
        /// The client's trace id.
        operation_id: Cow<'a, str> = "operationID", id_max;
        /// Which group.
        group_id: Cow<'a, str> = "groupID";
    }
}

body! {
    "/group/get_group_members_info" => decode_get_group_members_info(ids_max), "paramsGetGroupMembersInfo";
    /// A question for some members. A group that is not named is unknown.
    pub struct GetGroupMembersInfo<'a> {
        /// The client's trace id.
        operation_id: Cow<'a, str> = "operationID", id_max;
        /// Which group.
        group_id: Cow<'a, str> = "groupID";
        /// Whom about.
        member_list: Vec<Cow<'a, str>> = "memberList", ids;
    }
}

body! {
    "/group/invite_user_to_group" => decode_invite_user_to_group(ids_max), "paramsInviteUserToGroup";
    /// Users to add to a group.
    pub struct InviteUserToGroup<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty.
        group_id: Cow<'a, str> = "groupID", required;
        /// Whom.
        uid_list: Vec<Cow<'a, str>> = "uidList", required, ids;
        /// Goes into the tip.
        reason: Cow<'a, str> = "reason", max(REASON_CHARS_MAX);
    }
}

element! {
    /// A member to remove, as the client knows it. Only the uid counts.
    pub struct KickedMember<'a> {
        /// Who.
        user_id: Cow<'a, str> = "userId";
        /// Of no effect.
        role: i32 = "role";
        /// Of no effect.
        join_time: i64 = "joinTime";
        /// Of no effect.
        nick_name: Cow<'a, str> = "nickName";
        /// Of no effect.
        face_url: Cow<'a, str> = "faceUrl";
    }
}

/// Members to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KickGroup<'a> {
    /// The client's trace id; not empty.
    pub operation_id: Cow<'a, str>,
    /// Which group; one that is not named is unknown.
    pub group_id: Cow<'a, str>,
    /// Whom.
    pub uid_list_info: Vec<KickedMember<'a>>,
    /// Goes into the tip of June, and has no other effect.
    pub reason: Cow<'a, str>,
    /// Whether the body is one of June 2021.
    pub of_june: bool,
}

/// The original's name of the body of `/group/kick_group`.
const KICK_GROUP: &str = "paramsKickGroup";

body! {
    /// As clients from August 2021 write it.
    struct KickGroupOfAugust<'a> {
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        group_id: Cow<'a, str> = "groupID";
        uid_list_info: Vec<KickedMember<'a>> = "uidListInfo", required, ids;
        reason: Cow<'a, str> = "reason", max(REASON_CHARS_MAX);
    }
}

body! {
    /// As clients of June 2021 write it.
    struct KickGroupOfJune<'a> {
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        group_id: Cow<'a, str> = "groupID";
        uid_list: Vec<Cow<'a, str>> = "uidList", required, ids;
        reason: Cow<'a, str> = "reason", max(REASON_CHARS_MAX);
    }
}

/// Reads the body of `/group/kick_group`, with at most `ids_max` members.
///
/// # Errors
/// Without a required field, with a wrong type or too long a list.
pub fn decode_kick_group(body: &[u8], ids_max: usize) -> Result<KickGroup<'_>, BindError> {
    let error = match KickGroupOfAugust::read(body, KICK_GROUP, ids_max).flatten() {
        Ok(KickGroupOfAugust { operation_id, group_id, uid_list_info, reason }) => {
            return Ok(KickGroup { operation_id, group_id, uid_list_info, reason, of_june: false });
        }
        Err(error) => error,
    };
    // What is wrong with a body of neither generation is told as of a later one.
    let Ok(Ok(june)) = KickGroupOfJune::read(body, KICK_GROUP, ids_max) else {
        return Err(error);
    };
    let KickGroupOfJune { operation_id, group_id, uid_list, reason } = june;
    let of_uid = |user_id| KickedMember { user_id, ..KickedMember::default() };
    let uid_list_info = uid_list.into_iter().map(of_uid).collect();
    Ok(KickGroup { operation_id, group_id, uid_list_info, reason, of_june: true })
}

body! {
    "/group/transfer_group" => decode_transfer_group, "paramsTransferGroupOwner";
    /// A new owner.
    pub struct TransferGroup<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty.
        group_id: Cow<'a, str> = "groupID", required;
        /// Who becomes owner; not empty.
        uid: Cow<'a, str> = "uid", required;
    }
}

body! {
    "/group/group_application_response" => decode_group_application_response, "paramsGroupApplicationResponse";
    /// An answer to a request to join.
    pub struct GroupApplicationResponse<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which group; not empty.
        group_id: Cow<'a, str> = "groupID", required;
        /// The applicant; not empty.
        from_user_id: Cow<'a, str> = "fromUserID", required;
        /// `"0"` for an application, else who was invited; not empty.
        to_user_id: Cow<'a, str> = "toUserID", required;
        /// Of no effect, as all that the request holds already.
        from_user_nick_name: Cow<'a, str> = "fromUserNickName";
        /// Of no effect.
        from_user_face_url: Cow<'a, str> = "fromUserFaceUrl";
        /// Of no effect.
        to_user_nick_name: Cow<'a, str> = "toUserNickName";
        /// Of no effect.
        to_user_face_url: Cow<'a, str> = "toUserFaceUrl";
        /// Of no effect.
        add_time: i64 = "addTime";
        /// Of no effect.
        request_msg: Cow<'a, str> = "requestMsg";
        /// What the one who handles it says.
        handled_msg: Cow<'a, str> = "handledMsg";
        /// Of no effect.
        kind: i32 = "type";
        /// Of no effect.
        handle_status: i32 = "handleStatus";
        /// 0 refuses, 1 agrees; any number can come.
        handle_result: i32 = "handleResult";
    }
}

impl GroupApplicationResponse<'_> {
    /// Whether the message fits its column. One that does not is errCode 702, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        all_fit(&[&self.handled_msg])
    }
}
