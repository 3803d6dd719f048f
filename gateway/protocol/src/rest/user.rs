//! `/user`: the bodies.

use std::borrow::Cow;

use super::body::{Length, body};

/// The most ids of one question for who is online (REST 7.8).
pub(super) const ONLINE_IDS_MAX: usize = 200;

body! {
    "/user/get_user_info" => decode_get_user_info(ids_max), "paramsStruct";
    /// A question for profiles.
    pub struct GetUserInfo<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whose. Empty also when the client sent none, which has an answer of its own.
        uid_list: Vec<Cow<'a, str>> = "uidList", ids;
    }
}

body! {
    "/user/update_user_info" => decode_update_user_info, "paramsStruct";
    /// Changes of a profile. What is empty or 0 stays as it is.
    pub struct UpdateUserInfo<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whose profile, if a manager asks.
        uid: Cow<'a, str> = "uid";
        /// Shown name.
        name: Cow<'a, str> = "name";
        /// Address of the picture.
        icon: Cow<'a, str> = "icon";
        /// Any number; see [`UpdateUserInfo::fits`].
        gender: i32 = "gender";
        /// Telephone number.
        mobile: Cow<'a, str> = "mobile";
        /// Birthday.
        birth: Cow<'a, str> = "birth";
        /// Mail address.
        email: Cow<'a, str> = "email";
        /// For the application.
        ex: Cow<'a, str> = "ex";
    }
}

impl UpdateUserInfo<'_> {
    /// Whether each value fits its column. One that does not is errCode 616, not a failed binding.
    #[must_use]
    pub fn fits(&self) -> bool {
        let texts = [
            (&self.name, 64),
            (&self.icon, 1024),
            (&self.mobile, 32),
            (&self.birth, 16),
            (&self.email, 64),
            (&self.ex, 1024),
        ];
        self.gender >= 0 && texts.iter().all(|(text, chars_max)| text.length() <= *chars_max)
    }

    /// Whether anything is to be changed.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        let texts = [&self.name, &self.icon, &self.mobile, &self.birth, &self.email, &self.ex];
        self.gender != 0 || texts.iter().any(|text| !text.is_empty())
    }
}

body! {
    "/user/get_users_online_status" => decode_get_users_online_status(ids_max), "paramsGetUsersOnlineStatus";
    /// A question of an application's server for who is online.
    pub struct GetUsersOnlineStatus<'a> {
        /// The caller's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Whom about; at most 200.
        user_id_list: Vec<Cow<'a, str>> = "userIDList", required, ids_at_most(ONLINE_IDS_MAX);
        /// To compare with the server's own, in constant time; not empty.
        secret: Cow<'a, str> = "secret", required;
    }
}
