//! The label values, as types: a value that is not listed cannot be counted.

use openim_protocol::errcode::ErrCode;

/// A label with a fixed set of values.
pub trait Label: Copy {
    /// The label's name.
    const KEY: &'static str;
    /// Every value, in the order of [`Label::index`].
    const VALUES: &'static [&'static str];
    /// The place of this value.
    fn index(self) -> usize;
}

macro_rules! label {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, $key:literal {
            $( $(#[$value_meta:meta])* $value:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$value_meta])* $value, )*
        }

        impl $name {
            /// How many values there are.
            pub const COUNT: usize = [$($text),*].len();
        }

        impl Label for $name {
            const KEY: &'static str = $key;
            const VALUES: &'static [&'static str] = &[$($text),*];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// Why a link ended.
    pub enum ClosedBy, "reason" {
        /// A newer link of the same user and platform took its place.
        Replaced = "replaced",
        /// Its token was superseded by a newer login.
        Superseded = "superseded",
        /// Its token was ended by a manager, or its user deleted.
        LoggedOut = "logged_out",
        /// Its user was banned.
        Banned = "banned",
        /// Its token expired.
        TokenExpired = "token_expired",
        /// More waited for it than its outbox may hold.
        OutboxFull = "outbox_full",
        /// It took nothing of what waited for too long.
        WriteStalled = "write_stalled",
        /// A message that it had begun was not whole in time.
        Unfinished = "unfinished",
        /// It answered no ping.
        Dead = "dead",
        /// The peer closed it or the connection broke.
        Peer = "peer",
        /// The peer broke the websocket protocol.
        Protocol = "protocol",
        /// A message was larger than allowed.
        TooBig = "too_big",
        /// The server stops.
        Drain = "drain",
    }
}

label! {
    /// The status a handshake was refused with.
    pub enum RefusedWith, "status" {
        /// Not an upgrade.
        BadRequest = "400",
        /// Bad credentials.
        Unauthorized = "401",
        /// Not GET.
        MethodNotAllowed = "405",
        /// A head over its limit.
        HeadTooLarge = "431",
        /// At a limit, or stopping.
        Unavailable = "503",
    }
}

label! {
    /// Why nobody got a token.
    pub enum LoginFailed, "reason" {
        /// The `secret` of the call is wrong.
        Secret = "secret",
        /// Nobody of that uid is registered.
        UnknownUser = "unknown_user",
        /// Somebody of that uid is registered already.
        Registered = "registered",
        /// The body is not what the route wants.
        Malformed = "malformed",
        /// The address has given too many wrong secrets.
        Slowed = "slowed",
        /// The server could not.
        Unavailable = "unavailable",
        /// The user is banned.
        Banned = "banned",
        /// A rule forbids it.
        Forbidden = "forbidden",
    }
}

impl LoginFailed {
    /// Why, by the condition that the client was told.
    pub(crate) fn of(code: Option<ErrCode>) -> LoginFailed {
        match code {
            Some(ErrCode::NotAuthorized) => LoginFailed::Secret,
            Some(ErrCode::UnknownUser) => LoginFailed::UnknownUser,
            Some(ErrCode::AlreadyRegistered) => LoginFailed::Registered,
            Some(ErrCode::Binding) => LoginFailed::Malformed,
            Some(ErrCode::Banned) => LoginFailed::Banned,
            Some(ErrCode::Unavailable) => LoginFailed::Unavailable,
            _ => LoginFailed::Forbidden,
        }
    }
}

label! {
    /// What a frame asked for.
    pub enum RequestKind, "kind" {
        /// The newest seq (1001).
        Newest = "newest",
        /// Messages by seq (1002).
        Pull = "pull",
        /// A send (1003).
        Send = "send",
        /// Nothing that could be read, authorised or known.
        Bad = "bad",
    }
}

label! {
    /// What came of asking for a credential of an object store.
    pub enum CredentialOutcome, "outcome" {
        /// There is one.
        Issued = "issued",
        /// The service said no.
        Refused = "refused",
        /// It did not answer in time.
        Unreachable = "unreachable",
        /// It answered what is no answer.
        Malformed = "malformed",
    }
}

label! {
    /// The REST route that was called.
    pub enum RestRoute, "route" {
        /// `/auth/user_register`
        UserRegister = "user_register",
        /// `/auth/user_token`
        UserToken = "user_token",
        /// `/chat/send_msg`
        SendMsg = "send_msg",
        /// `/chat/newest_seq`
        NewestSeq = "newest_seq",
        /// `/chat/pull_msg`
        PullMsg = "pull_msg",
        /// `/chat/pull_msg_by_seq`
        PullMsgBySeq = "pull_msg_by_seq",
        /// `/user/get_user_info`
        GetUserInfo = "get_user_info",
        /// `/user/update_user_info`
        UpdateUserInfo = "update_user_info",
        /// `/user/get_users_online_status`
        GetUsersOnlineStatus = "get_users_online_status",
        /// `/friend/search_friend`
        SearchFriend = "search_friend",
        /// `/friend/get_friends_info`
        GetFriendsInfo = "get_friends_info",
        /// `/friend/add_friend`
        AddFriend = "add_friend",
        /// `/friend/add_friend_response`
        AddFriendResponse = "add_friend_response",
        /// `/friend/get_friend_apply_list`
        GetFriendApplyList = "get_friend_apply_list",
        /// `/friend/get_self_apply_list`
        GetSelfApplyList = "get_self_apply_list",
        /// `/friend/get_friend_list`
        GetFriendList = "get_friend_list",
        /// `/friend/add_blacklist`
        AddBlacklist = "add_blacklist",
        /// `/friend/get_blacklist`
        GetBlacklist = "get_blacklist",
        /// `/friend/remove_blacklist`
        RemoveBlacklist = "remove_blacklist",
        /// `/friend/delete_friend`
        DeleteFriend = "delete_friend",
        /// `/friend/set_friend_comment`
        SetFriendComment = "set_friend_comment",
        /// `/friend/is_friend`
        IsFriend = "is_friend",
        /// `/friend/import_friend`
        ImportFriend = "import_friend",
        /// `/group/create_group`
        CreateGroup = "create_group",
        /// `/group/set_group_info`
        SetGroupInfo = "set_group_info",
        /// `/group/join_group`
        JoinGroup = "join_group",
        /// `/group/quit_group`
        QuitGroup = "quit_group",
        /// `/group/dismiss_group`
        DismissGroup = "dismiss_group",
        /// `/group/get_groups_info`
        GetGroupsInfo = "get_groups_info",
        /// `/group/get_joined_group_list`
        GetJoinedGroupList = "get_joined_group_list",
        /// `/group/get_group_member_list`
        GetGroupMemberList = "get_group_member_list",
        /// `/group/get_group_all_member_list`
        GetGroupAllMemberList = "get_group_all_member_list",
        /// `/group/get_group_members_info`
        GetGroupMembersInfo = "get_group_members_info",
        /// `/group/invite_user_to_group`
        InviteUserToGroup = "invite_user_to_group",
        /// `/group/kick_group`
        KickGroup = "kick_group",
        /// `/group/transfer_group`
        TransferGroup = "transfer_group",
        /// `/group/get_group_applicationList`
        GetGroupApplicationList = "get_group_application_list",
        /// `/group/group_application_response`
        GroupApplicationResponse = "group_application_response",
        /// `/manager/delete_user`
        DeleteUser = "delete_user",
        /// `/manager/force_logout`
        ForceLogout = "force_logout",
        /// `/manager/ban_user`
        BanUser = "ban_user",
        /// `/manager/unban_user`
        UnbanUser = "unban_user",
        /// `/manager/get_all_users_uid`
        GetAllUsersUid = "get_all_users_uid",
        /// `/manager/account_check`
        AccountCheck = "account_check",
        /// `/manager/get_users_online_status`
        ManagerOnlineStatus = "manager_get_users_online_status",
        /// `/manager/send_msg`
        ManagerSendMsg = "manager_send_msg",
        /// `/conversation/set_receive_message_opt`
        SetReceiveMessageOpt = "set_receive_message_opt",
        /// `/conversation/get_receive_message_opt`
        GetReceiveMessageOpt = "get_receive_message_opt",
        /// `/conversation/get_all_conversation_message_opt`
        GetAllConversationMessageOpt = "get_all_conversation_message_opt",
        /// `/third/tencent_cloud_storage_credential`
        TencentCredential = "tencent_credential",
        /// Everything else: preflights, the description, unknown paths.
        Other = "other",
    }
}
