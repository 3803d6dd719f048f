//! `/friend`: the bodies.

use std::borrow::Cow;

use super::body::{Length, body};
use super::column::TEXT_CHARS_MAX;

body! {
    "/friend/search_friend" => decode_search_friend, "paramsSearchFriend";
    "/friend/get_friends_info" => decode_get_friends_info, "paramsSearchFriend";
    "/friend/remove_blacklist" => decode_remove_blacklist, "paramsRemoveBlackList";
    "/friend/delete_friend" => decode_delete_friend, "paramsDeleteFriend";
    /// A call about one other user.
    pub struct Peer<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom about; not empty.
        uid: Cow<'a, str> = "uid", required;
    }
}

body! {
    "/friend/get_friend_list" => decode_get_friend_list, "paramsGetFriendLIst";
    "/friend/get_blacklist" => decode_get_blacklist, "paramsGetBlackList";
    "/friend/get_friend_apply_list" => decode_get_friend_apply_list, "paramsGetFriendApplyList";
    "/friend/get_self_apply_list" => decode_get_self_apply_list, "paramsGetSelfApplyList";
    /// A call for one of the caller's own lists.
    pub struct OwnList<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
    }
}

body! {
    "/friend/add_friend" => decode_add_friend, "paramsAddFriend";
    /// A request to become friends.
    pub struct AddFriend<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who is asked; not empty.
        uid: Cow<'a, str> = "uid", required;
        /// What the applicant says.
        req_message: Cow<'a, str> = "reqMessage";
    }
}

impl AddFriend<'_> {
    /// Whether the message fits its column.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.req_message.length() <= TEXT_CHARS_MAX
    }
}

body! {
    "/friend/add_friend_response" => decode_add_friend_response, "paramsAddFriendResponse";
    /// An answer to a request to become friends.
    pub struct AddFriendResponse<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// The applicant; not empty.
        uid: Cow<'a, str> = "uid", required;
        /// 1 agrees; any other refuses. Not 0.
        flag: i32 = "flag", required;
    }
}

body! {
    "/friend/add_blacklist" => decode_add_blacklist, "paramsSearchFriend";
    /// A user to block.
    pub struct AddBlacklist<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who is blocked; not empty.
        uid: Cow<'a, str> = "uid", required;
        /// For whom, if a manager asks.
        owner_uid: Cow<'a, str> = "ownerUid";
    }
}

body! {
    "/friend/set_friend_comment" => decode_set_friend_comment, "paramsSetFriendComment";
    /// A note about a friend.
    pub struct SetFriendComment<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// The friend; not empty.
        uid: Cow<'a, str> = "uid", required;
        /// Empty removes the note.
        comment: Cow<'a, str> = "comment";
    }
}

impl SetFriendComment<'_> {
    /// Whether the note fits its column. One that does not is errCode 617, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.comment.length() <= TEXT_CHARS_MAX
    }
}

body! {
    "/friend/is_friend" => decode_is_friend, "paramsIsFriend";
    /// A question whether somebody is a friend.
    pub struct IsFriend<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who; empty is nobody.
        receive_uid: Cow<'a, str> = "receive_uid";
    }
}

body! {
    "/friend/import_friend" => decode_import_friend(ids_max), "paramsImportFriendReq";
    /// Friends that a manager gives to a user.
    pub struct ImportFriend<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who become friends.
        uid_list: Vec<Cow<'a, str>> = "uidList", required, ids;
        /// Whose friends; not empty.
        owner_uid: Cow<'a, str> = "ownerUid", required;
    }
}
