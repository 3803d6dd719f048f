//! `console`: the operators' console.

use crate::section::section;
use crate::setting::{number, one_of, text};
use crate::{Secret, Served};

section! {
    /// The operators' console, on the port of `admin`.
    pub struct Console {
        /// Whether there is one.
        pub on: Served = Served::default(), "on" => one_of;
        /// What an operator must know; empty: generated.
        pub password: Secret = Secret::default(), "password" => text("text");
        /// What somebody must know who may look and change nothing; empty: nobody.
        pub viewer_password: Secret = Secret::default(), "viewerPassword" => text("text");
        /// Logins at once; the oldest ends.
        pub sessions_max: usize = 64, "sessionsMax" => number(1..=10_000);
        /// Minutes that a login is good for.
        pub session_minutes: u64 = 480, "sessionMinutes" => number(1..=10_080);
        /// Open pages that are told what happens, each second.
        pub streams_max: usize = 16, "streamsMax" => number(1..=48);
    }
}
