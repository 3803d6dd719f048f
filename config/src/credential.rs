//! `credential`: accounts of object stores, handed to clients by `/third`.

use crate::section::{nested, section};
use crate::setting::{number, text};
use crate::{Endpoint, Secret};

section! {
    /// Accounts of object stores.
    pub struct Credential {
        /// Tencent Cloud Object Storage.
        pub tencent: Tencent = Tencent::default(), "tencent" => nested;
    }
}

section! {
    /// An account of Tencent Cloud Object Storage; empty: none.
    pub struct Tencent {
        /// Account number.
        pub app_id: String = String::new(), "appID" => text("text");
        /// Region of the bucket.
        pub region: String = String::new(), "region" => text("text");
        /// Bucket.
        pub bucket: String = String::new(), "bucket" => text("text");
        /// Name of the key.
        pub secret_id: String = String::new(), "secretID" => text("text");
        /// The key.
        pub secret_key: Secret = Secret::default(), "secretKey" => text("text");
        /// Where temporary credentials are asked for.
        pub endpoint: Endpoint = Endpoint::https("sts.tencentcloudapi.com"),
            "endpoint" => text("an address like https://HOST or http://HOST:PORT");
        /// Time for one to arrive.
        pub timeout_seconds: u64 = 5, "timeoutSeconds" => number(1..=60);
    }
}
