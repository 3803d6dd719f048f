//! `/manager`: the bodies. What a manager may send is in `content`.

use std::borrow::Cow;

use super::body::body;
use super::user::ONLINE_IDS_MAX;

/// The most ids of one check of accounts (REST 7.8).
const ACCOUNT_IDS_MAX: usize = 100;
const PLATFORM_MAX: i32 = 7;
const REASON_CHARS_MAX: usize = 255;
const MESSAGE_CHARS_MAX: usize = 255;

body! {
    "/manager/delete_user" => decode_delete_user(ids_max), "paramsDeleteUser";
    /// Users to delete.
    pub struct DeleteUser<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom.
        delete_uid_list: Vec<Cow<'a, str>> = "deleteUidList", required, ids;
    }
}

body! {
    "/manager/force_logout" => decode_force_logout, "paramsForceLogout";
    /// A user whose tokens end.
    pub struct ForceLogout<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whose; can be a uid.
        uid: Cow<'a, str> = "uid", required, uid;
        /// Of which platform, 1 to 7; 0 for all.
        platform: i32 = "platform", one_of(0..=PLATFORM_MAX);
    }
}

body! {
    "/manager/ban_user" => decode_ban_user, "paramsBanUser";
    /// A user who is not let in.
    pub struct BanUser<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who; can be a uid.
        uid: Cow<'a, str> = "uid", required, uid;
        /// Unix seconds at which it is over; 0 for a ban without an end.
        until: i64 = "until";
        /// Why.
        reason: Cow<'a, str> = "reason", max(REASON_CHARS_MAX);
    }
}

body! {
    "/manager/unban_user" => decode_unban_user, "paramsUnbanUser";
    /// A user who is let in again.
    pub struct UnbanUser<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who; can be a uid.
        uid: Cow<'a, str> = "uid", required, uid;
    }
}

body! {
    "/manager/why" => decode_why, "paramsWhy";
    /// Why somebody did not get a message.
    pub struct Why<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Who; can be a uid.
        uid: Cow<'a, str> = "uid", required, uid;
        /// `clientMsgID`, `serverMsgID`, or a seq in the inbox.
        message: Cow<'a, str> = "message", required, max(MESSAGE_CHARS_MAX);
        /// Which device, 1 to 7; 0 for any.
        platform: i32 = "platform", one_of(0..=PLATFORM_MAX);
        /// Who sent it, if that is known.
        sender: Cow<'a, str> = "sendID", id_max;
        /// About when, unix milliseconds, if that is known; 0: not.
        near: i64 = "sendTime";
    }
}

body! {
    "/manager/get_all_users_uid" => decode_get_all_users_uid, "paramsGetAllUsersUid";
    /// A question for everybody.
    pub struct GetAllUsersUid<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
    }
}

body! {
    "/manager/account_check" => decode_account_check(ids_max), "paramsAccountCheck";
    /// A question for who is registered.
    pub struct AccountCheck<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom about; at most 100.
        user_id_list: Vec<Cow<'a, str>> = "userIDList", required, ids_at_most(ACCOUNT_IDS_MAX);
    }
}

body! {
    "/manager/get_users_online_status" => decode_manager_get_users_online_status(ids_max), "paramsGetUsersOnlineStatus";
    /// A question of a manager for who is online.
    pub struct ManagerGetUsersOnlineStatus<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom about; at most 200.
        user_id_list: Vec<Cow<'a, str>> = "userIDList", required, ids_at_most(ONLINE_IDS_MAX);
    }
}
