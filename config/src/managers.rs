//! `manager`: who may call `/manager` and act for others.

use crate::section::section;
use crate::setting::list;

section! {
    /// Accounts of the app's own staff. The names are those of the later original (v1.0.7).
    pub struct Manager {
        /// Users who may; each is registered at the start if it is not yet. Empty: nobody.
        pub app_manager_uid: Vec<String> = vec!["openIM123456".to_owned(), "openIM654321".to_owned()], "appManagerUid" => list(0, "uids");
    }
}
