//! The routes of REST, a row each: the path, what the route is called, its name in metrics and logs, what it asks
//! of its callers, and who carries it out.
//!
//! [`routes!`] hands the rows to the macro that it is given. `metrics` makes the names of them, `ingress::rest`
//! the table that requests are dispatched by. So a route is stated once, and one that nobody carries out does
//! not compile. All are POSTs; `docs/openapi.json` describes each, which a test compares.

macro_rules! routes {
    ($with:ident) => {
        $with! {
            "/auth/user_register", UserRegister, "user_register", Secret, accounts::user_register;
            "/auth/user_token", UserToken, "user_token", Secret, accounts::user_token;
            "/chat/send_msg", SendMsg, "send_msg", Token, chat::send_msg;
            "/chat/newest_seq", NewestSeq, "newest_seq", Token, chat::newest_seq;
            "/chat/pull_msg", PullMsg, "pull_msg", Token, chat::pull_msg;
            "/chat/pull_msg_by_seq", PullMsgBySeq, "pull_msg_by_seq", Token, chat::pull_msg_by_seq;
            "/user/get_user_info", GetUserInfo, "get_user_info", Open, users::get_user_info;
            "/user/update_user_info", UpdateUserInfo, "update_user_info", Token, users::update_user_info;
            "/user/get_users_online_status", GetUsersOnlineStatus, "get_users_online_status", Secret, users::get_users_online_status;
            "/friend/search_friend", SearchFriend, "search_friend", Token, friends::search_friend;
            "/friend/get_friends_info", GetFriendsInfo, "get_friends_info", Token, friends::get_friends_info;
            "/friend/add_friend", AddFriend, "add_friend", Token, friends::add_friend;
            "/friend/add_friend_response", AddFriendResponse, "add_friend_response", Token, friends::add_friend_response;
            "/friend/get_friend_apply_list", GetFriendApplyList, "get_friend_apply_list", Token, friend_lists::get_friend_apply_list;
            "/friend/get_self_apply_list", GetSelfApplyList, "get_self_apply_list", Token, friend_lists::get_self_apply_list;
            "/friend/get_friend_list", GetFriendList, "get_friend_list", Token, friend_lists::get_friend_list;
            "/friend/add_blacklist", AddBlacklist, "add_blacklist", Token, friends::add_blacklist;
            "/friend/get_blacklist", GetBlacklist, "get_blacklist", Token, friend_lists::get_blacklist;
            "/friend/remove_blacklist", RemoveBlacklist, "remove_blacklist", Token, friends::remove_blacklist;
            "/friend/delete_friend", DeleteFriend, "delete_friend", Token, friends::delete_friend;
            "/friend/set_friend_comment", SetFriendComment, "set_friend_comment", Token, friends::set_friend_comment;
            "/friend/is_friend", IsFriend, "is_friend", Token, friends::is_friend;
            "/friend/import_friend", ImportFriend, "import_friend", Token, friends::import_friend;
            "/group/create_group", CreateGroup, "create_group", Token, groups::create_group;
            "/group/set_group_info", SetGroupInfo, "set_group_info", Token, groups::set_group_info;
            "/group/join_group", JoinGroup, "join_group", Token, groups::join_group;
            "/group/quit_group", QuitGroup, "quit_group", Token, groups::quit_group;
            "/group/dismiss_group", DismissGroup, "dismiss_group", Token, dismissing::dismiss_group;
            "/group/get_groups_info", GetGroupsInfo, "get_groups_info", Token, group_lists::get_groups_info;
            "/group/get_joined_group_list", GetJoinedGroupList, "get_joined_group_list", Token, group_lists::get_joined_group_list;
            "/group/get_group_member_list", GetGroupMemberList, "get_group_member_list", Token, group_lists::get_group_member_list;
            "/group/get_group_all_member_list", GetGroupAllMemberList, "get_group_all_member_list", Token, group_lists::get_group_all_member_list;
            "/group/get_group_members_info", GetGroupMembersInfo, "get_group_members_info", Token, group_lists::get_group_members_info;
            "/group/invite_user_to_group", InviteUserToGroup, "invite_user_to_group", Token, groups::invite_user_to_group;
            "/group/kick_group", KickGroup, "kick_group", Token, groups::kick_group;
            "/group/transfer_group", TransferGroup, "transfer_group", Token, groups::transfer_group;
            "/group/get_group_applicationList", GetGroupApplicationList, "get_group_application_list", Token, group_lists::get_group_application_list;
            "/group/group_application_response", GroupApplicationResponse, "group_application_response", Token, groups::group_application_response;
            "/manager/delete_user", DeleteUser, "delete_user", Manager, managing::delete_user;
            "/manager/force_logout", ForceLogout, "force_logout", Manager, sessions::force_logout;
            "/manager/ban_user", BanUser, "ban_user", Manager, sessions::ban_user;
            "/manager/unban_user", UnbanUser, "unban_user", Manager, sessions::unban_user;
            "/manager/get_all_users_uid", GetAllUsersUid, "get_all_users_uid", Manager, managing::get_all_users_uid;
            "/manager/account_check", AccountCheck, "account_check", Manager, managing::account_check;
            "/manager/get_users_online_status", ManagerOnlineStatus, "manager_get_users_online_status", Manager, managing::get_users_online_status;
            "/manager/send_msg", ManagerSendMsg, "manager_send_msg", Manager, managing::send_msg;
            "/manager/why", Why, "why", Manager, why::why;
            "/conversation/set_receive_message_opt", SetReceiveMessageOpt, "set_receive_message_opt", Token, conversations::set_receive_message_opt;
            "/conversation/get_receive_message_opt", GetReceiveMessageOpt, "get_receive_message_opt", Token, conversations::get_receive_message_opt;
            "/conversation/get_all_conversation_message_opt", GetAllConversationMessageOpt, "get_all_conversation_message_opt", Token, conversations::get_all_conversation_message_opt;
            "/third/tencent_cloud_storage_credential", TencentCredential, "tencent_credential", Open, third::tencent_credential;
            "/third/set_push_token", SetPushToken, "set_push_token", Token, third::set_push_token;
            "/third/delete_push_token", DeletePushToken, "delete_push_token", Token, third::delete_push_token;
        }
    };
}

pub(crate) use routes;
