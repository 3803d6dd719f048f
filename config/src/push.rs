//! `push`: offline push.

use crate::section::{nested, section};
use crate::setting::{choice, number, one_of, switch, text};
use crate::{Endpoint, Secret};

section! {
    /// Offline push: who is away is told of messages by the services that reach their devices.
    pub struct Push {
        /// Whether anybody is.
        pub offline_push: bool = false, "offlinePush" => switch;
        /// Whether notices say no more than that there is a message.
        pub hide_content: bool = false, "hideContent" => switch;
        /// Requests to each service in a second.
        pub per_second: u32 = 1000, "perSecond" => number(1..=100_000);
        /// Of older messages nobody is told.
        pub max_age_seconds: u64 = 3600, "maxAgeSeconds" => number(10..=604_800);
        /// Notices to each service that wait or are under way.
        pub waiting_max: usize = 10_000, "waitingMax" => number(16..=1_000_000);
        /// Devices of one user that are told.
        pub devices_per_user_max: usize = 10, "devicesPerUserMax" => number(1..=100);
        /// Tencent Push Notification Service.
        pub tpns: Tpns = Tpns::default(), "tpns" => nested;
        /// Firebase Cloud Messaging.
        pub fcm: Fcm = Fcm::default(), "fcm" => nested;
        /// Apple Push Notification service.
        pub apns: Apns = Apns::default(), "apns" => nested;
        /// A service of the operator's own.
        pub webhook: PushWebhook = PushWebhook::default(), "webhook" => nested;
    }
}

choice! {
    /// For which apps a push of Tencent's is.
    pub enum TpnsEnvironment {
        /// Those of the store.
        Product = "product",
        /// Those that are being developed; of iOS alone.
        Dev = "dev",
    }
}

section! {
    /// Tencent Push Notification Service.
    pub struct Tpns {
        /// The account for iOS terminals, the only ones the original pushes to.
        pub ios: TpnsApp = TpnsApp::default(), "ios" => nested;
        /// The account for Android terminals.
        pub android: TpnsApp = TpnsApp::default(), "android" => nested;
        /// For which apps pushes are.
        pub environment: TpnsEnvironment = TpnsEnvironment::default(), "environment" => one_of;
        /// Where the service is.
        pub endpoint: Endpoint = Endpoint::https("api.tpns.tencent.com"), "endpoint" => text(ADDRESS);
    }
}

const ADDRESS: &str = "an address like https://HOST or http://HOST:PORT";

section! {
    /// An account of the service; empty: none.
    pub struct TpnsApp {
        /// Number of the account.
        pub access_id: String = String::new(), "accessID" => text("text");
        /// Its key.
        pub secret_key: Secret = Secret::default(), "secretKey" => text("text");
    }
}

section! {
    /// Firebase Cloud Messaging; without the file: none.
    pub struct Fcm {
        /// The JSON of a service account.
        pub service_account_file: String = String::new(), "serviceAccountFile" => text("a file");
        /// Where the service is.
        pub endpoint: Endpoint = Endpoint::https("fcm.googleapis.com"), "endpoint" => text(ADDRESS);
    }
}

section! {
    /// Apple Push Notification service; without the file: none.
    pub struct Apns {
        /// The key that signs for the team (.p8).
        pub key_file: String = String::new(), "keyFile" => text("a file");
        /// Name of the key.
        pub key_id: String = String::new(), "keyID" => text("text");
        /// The team.
        pub team_id: String = String::new(), "teamID" => text("text");
        /// The app's bundle id.
        pub topic: String = String::new(), "topic" => text("text");
        /// Whether the app is being developed.
        pub sandbox: bool = false, "sandbox" => switch;
        /// Where the service is, in the place of Apple's own; empty: there.
        pub endpoint: String = String::new(), "endpoint" => text(ADDRESS);
    }
}

section! {
    /// A service of the operator's own; empty: none.
    pub struct PushWebhook {
        /// Where notices are posted to.
        pub url: String = String::new(), "url" => text("an address");
        /// What both sides sign with.
        pub secret: Secret = Secret::default(), "secret" => text("text");
    }
}
