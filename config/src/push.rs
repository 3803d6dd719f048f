//! `push`: offline push.

use crate::Secret;
use crate::section::{nested, section};
use crate::setting::text;

section! {
    /// Offline push.
    pub struct Push {
        /// Tencent Push Notification Service.
        pub tpns: Tpns = Tpns::default(), "tpns" => nested;
    }
}

section! {
    /// Tencent Push Notification Service.
    pub struct Tpns {
        /// The account for iOS terminals, the only ones the original pushes to.
        pub ios: TpnsApp = TpnsApp::default(), "ios" => nested;
    }
}

section! {
    /// An account of the service; empty: none.
    pub struct TpnsApp {
        /// Number of the account.
        pub access_id: String = String::new(), "accessID" => text("text");
        /// Its key.
        pub secret_key: Secret = Secret::default(), "secretKey" => text("text");
    }
}
