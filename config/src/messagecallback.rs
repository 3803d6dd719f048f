//! `messagecallback`: the app's backend is asked about messages before they are taken.

use crate::HttpUrl;
use crate::section::{nested, section};
use crate::setting::{choice, list, number, one_of, switch, text};

choice! {
    /// What becomes of a message when there is no answer about it.
    pub enum Fallback {
        /// It is refused, and its client may send it again.
        Refuse = "refuse",
        /// It is taken as it is.
        Continue = "continue",
    }
}

section! {
    /// A question to the app's backend before a message is taken.
    pub struct MessageCallback {
        /// It is asked about messages of users, to one user and to groups.
        pub all: bool = false, "callbackSwitch" => switch;
        /// Of messages to one user.
        pub c2c: CallbackC2c = CallbackC2c::default(), "c2c" => nested;
        /// Where it is asked.
        pub url: HttpUrl = HttpUrl::default(), "callbackUrl" => text("an address like https://HOST/PATH, or empty");
        /// Seconds it has for an answer.
        pub time_out_seconds: u64 = 5, "callbackTimeOut" => number(1..=60);
        /// What becomes of a message without an answer.
        pub fallback: Fallback = Fallback::default(), "fallback" => one_of;
        /// Content types it is asked about; none: all.
        pub content_types: Vec<i64> = Vec::new(), "contentTypes" => list(0, "numbers");
        /// Questions under way at once.
        pub in_flight_max: usize = 256, "inFlightMax" => number(1..=65_536);
    }
}

section! {
    /// Of messages to one user.
    pub struct CallbackC2c {
        /// Before they are taken.
        pub before: CallbackBefore = CallbackBefore::default(), "callbackBeforeSendMsg" => nested;
    }
}

section! {
    /// A question before a message is taken.
    pub struct CallbackBefore {
        /// It is asked.
        pub on: bool = false, "switch" => switch;
    }
}

impl MessageCallback {
    /// Whether anything is asked at all.
    pub fn is_on(&self) -> bool {
        self.all || self.c2c.before.on
    }
}
