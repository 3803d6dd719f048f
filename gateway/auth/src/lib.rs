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
mod identity;
mod platform;
mod policy;
mod signer;

pub use identity::{TokenId, secrets_match};
pub use platform::{Class, Platform};
pub use policy::{LoginPolicy, Newest, NewestTokens};
pub use signer::{
    CLOCK_SKEW_SECONDS_MAX, Claims, Issued, Moment, Signer, TOKEN_BYTES_MAX, TokenError,
};
