//! `policy`: rules beyond those of the original.

use crate::section::section;
use crate::setting::{choice, one_of, switch};

choice! {
    /// On which platforms a token is good.
    pub enum TokenPlatform {
        /// On all seven, as in the original.
        Any = "any",
        /// On the one it was issued for.
        Strict = "strict",
    }
}

choice! {
    /// Which tips about friends and groups clients may send themselves.
    pub enum ClientTips {
        /// Those that tell what has happened.
        Truthful = "truthful",
        /// All, also the kick notice.
        Allow = "allow",
    }
}

section! {
    /// Rules beyond those of the original.
    pub struct Policy {
        /// A user who is on somebody's blacklist cannot write to them.
        pub blacklist_blocks: bool = false, "blacklistBlocks" => switch;
        /// Only somebody's friends can write to them.
        pub friends_only: bool = false, "friendsOnly" => switch;
        /// Which tips clients may send.
        pub client_tips: ClientTips = ClientTips::default(), "clientTips" => one_of;
        /// Anybody sees whole profiles; else those who are no friends of a user's see name, picture and gender.
        pub public_profile: bool = false, "publicProfile" => switch;
        /// Clients cannot send messages that claim to be the system's (`msgFrom` 200).
        pub refuse_system_from_clients: bool = false, "refuseSystemFromClients" => switch;
        /// On which platforms a token is good: of links, and of REST requests that name a platform.
        pub token_platform: TokenPlatform = TokenPlatform::default(), "tokenPlatform" => one_of;
    }
}
