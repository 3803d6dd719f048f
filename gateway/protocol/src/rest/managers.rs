//! `/manager`: the bodies. What a manager may send is in `content`.

use std::borrow::Cow;

use super::body::body;
use super::user::ONLINE_IDS_MAX;

/// The most ids of one check of accounts (REST 7.8).
const ACCOUNT_IDS_MAX: usize = 100;

body! {
    "/manager/delete_user" => decode_delete_user(ids_max), "paramsDeleteUser";
    /// Users to delete.
    pub struct DeleteUser<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required;
        /// Whom.
        delete_uid_list: Vec<Cow<'a, str>> = "deleteUidList", required, ids;
    }
}

body! {
    "/manager/get_all_users_uid" => decode_get_all_users_uid, "paramsGetAllUsersUid";
    /// A question for everybody.
    pub struct GetAllUsersUid<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required;
    }
}

body! {
    "/manager/account_check" => decode_account_check(ids_max), "paramsAccountCheck";
    /// A question for who is registered.
    pub struct AccountCheck<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required;
        /// Whom about; at most 100.
        user_id_list: Vec<Cow<'a, str>> = "userIDList", required, ids_at_most(ACCOUNT_IDS_MAX);
    }
}

body! {
    "/manager/get_users_online_status" => decode_manager_get_users_online_status(ids_max), "paramsGetUsersOnlineStatus";
    /// A question of a manager for who is online.
    pub struct ManagerGetUsersOnlineStatus<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required;
        /// Whom about; at most 200.
        user_id_list: Vec<Cow<'a, str>> = "userIDList", required, ids_at_most(ONLINE_IDS_MAX);
    }
}
