//! Bodies and answers of the REST routes.
//!
//! In: an HTTP body. Out: borrowed fields, or the [`BindError`] that becomes HTTP 400; and the text of
//! answers. Keys match in any case, the last duplicate counts, `null` is as good as absent, types are
//! exact, only the first JSON value of a body is read. Never sees headers, tokens or the clock. The
//! answers of `/chat` are those of [`crate::reply`] and [`crate::pull`]. Modules are named after the
//! part of the path that they serve; `decode_<route>` reads a body.

mod answer;
mod auth;
pub(crate) mod bind;
pub(crate) mod body;
mod chat;
mod column;
mod content;
mod conversation;
mod friend;
mod group;
mod managers;
mod third;
mod user;

pub use crate::request::{RestSend, decode_send_msg};
pub use answer::{
    AccountStatus, ApplicationsWriter, ConversationOption, Element, FriendApplication, FriendEntry,
    GroupApplication, GroupInfo, GroupInfoFilled, GroupMember, IdResult, ListKey, ListWriter,
    OnlineStatus, Profile, SearchedFriend, StorageCredential, WhyAnswer, WhyMessage,
    create_group_answer, get_friends_info_answer, get_user_info_error, is_friend_answer,
    list_error, manager_send_msg_answer, manager_send_msg_error, search_friend_answer,
    tencent_cloud_storage_credential_answer, uid_list_answer, why_answer,
};
pub use auth::{Register, TokenRequest, decode_register, decode_token, token_answer};
pub use bind::{BindError, error_answer};
pub(crate) use chat::HeadDraft;
pub use chat::{
    ChatHead, RestPull, RestPullBySeq, decode_newest_seq, decode_pull_msg, decode_pull_msg_by_seq,
};
pub use column::TEXT_CHARS_MAX;
pub use content::{ManagerSend, ManagerSendError, decode_manager_send_msg};
pub use conversation::{
    GetAllConversationMessageOpt, GetReceiveMessageOpt, SetReceiveMessageOpt,
    decode_get_all_conversation_message_opt, decode_get_receive_message_opt,
    decode_set_receive_message_opt,
};
pub use friend::{
    AddBlacklist, AddFriend, AddFriendResponse, ImportFriend, IsFriend, OwnList, Peer,
    SetFriendComment, decode_add_blacklist, decode_add_friend, decode_add_friend_response,
    decode_delete_friend, decode_get_blacklist, decode_get_friend_apply_list,
    decode_get_friend_list, decode_get_friends_info, decode_get_self_apply_list,
    decode_import_friend, decode_is_friend, decode_remove_blacklist, decode_search_friend,
    decode_set_friend_comment,
};
pub use group::{
    CreateGroup, FirstMember, GetGroupAllMemberList, GetGroupMemberList, GetGroupMembersInfo,
    GetGroupsInfo, GroupApplicationResponse, InviteUserToGroup, JoinGroup, KickGroup, KickedMember,
    OwnGroups, QuitGroup, SetGroupInfo, TransferGroup, decode_create_group, decode_dismiss_group,
    decode_get_group_all_member_list, decode_get_group_application_list,
    decode_get_group_member_list, decode_get_group_members_info, decode_get_groups_info,
    decode_get_joined_group_list, decode_group_application_response, decode_invite_user_to_group,
    decode_join_group, decode_kick_group, decode_quit_group, decode_set_group_info,
    decode_transfer_group,
};
pub use managers::{
    AccountCheck, BanUser, DeleteUser, ForceLogout, GetAllUsersUid, ManagerGetUsersOnlineStatus,
    UnbanUser, Why, decode_account_check, decode_ban_user, decode_delete_user, decode_force_logout,
    decode_get_all_users_uid, decode_manager_get_users_online_status, decode_unban_user,
    decode_why,
};
pub use third::{
    DeletePushToken, SetPushToken, StorageCredentialRequest, decode_delete_push_token,
    decode_set_push_token, decode_tencent_cloud_storage_credential,
};
pub use user::{
    GetUserInfo, GetUsersOnlineStatus, UpdateUserInfo, decode_get_user_info,
    decode_get_users_online_status, decode_update_user_info,
};
