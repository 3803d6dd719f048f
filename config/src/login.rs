//! `tokenpolicy` and `multiloginpolicy`: tokens, and terminals logged in together.

use crate::Secret;
use crate::section::section;
use crate::setting::{number, switch, text};

/// A hundred years: long enough for anyone, and far from any overflow.
const EXPIRE_SECONDS_MAX: i64 = 100 * 365 * 86_400;

section! {
    /// Tokens.
    pub struct TokenPolicy {
        /// The key tokens are signed with; empty: generated at the first start.
        pub access_secret: Secret = Secret::default(), "accessSecret" => text("text");
        /// Seconds a token is good for; -1: for ever. Never 0.
        pub access_expire: i64 = 604_800, "accessExpire" => number(-1..=EXPIRE_SECONDS_MAX);
    }
}

section! {
    /// How many terminals of a user may be logged in together: the first that is on wins, and none on
    /// is the same as all terminals.
    pub struct MultiLoginPolicy {
        /// One terminal in all.
        pub one_terminal: bool = false, "onlyOneTerminalAccess" => switch;
        /// One mobile and one PC terminal.
        pub mobile_and_pc: bool = true, "mobileAndPCTerminalAccessButOtherTerminalKickEachOther" => switch;
        /// Any number.
        pub all_terminals: bool = false, "allTerminalAccess" => switch;
    }
}
