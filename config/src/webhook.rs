//! `webhook`: what the app's backend is told.

use crate::Secret;
use crate::section::section;
use crate::setting::text;

section! {
    /// What the app's backend is told.
    pub struct Webhook {
        /// Signs what is posted to it; empty: nothing is signed.
        pub secret: Secret = Secret::default(), "secret" => text("text");
    }
}
