//! Tokens of the wire and the rules of several terminals logged in at once.
//!
//! Owns: the token's text (JWT, HS256), its check, its identity, and the three login policies.
//! In: a secret, a token, the newest tokens of a user, and the present second. Out: claims or a reason.
//! Never: reads a clock, keeps tokens, knows sockets or stores. `now` is always an argument.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::wildcard_enum_match_arm
    )
)]

mod claims;
mod platform;
mod policy;
mod secret;
mod signer;

pub use openim_record::{Class, Newest, NewestTokens, TokenId};
pub use platform::Platform;
pub use policy::{Held, LoginPolicy};
pub use secret::secrets_match;
pub use signer::{
    CLOCK_SKEW_SECONDS_MAX, Claims, Issued, Moment, Signer, TOKEN_BYTES_MAX, TokenError,
};
