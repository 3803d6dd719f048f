//! Bodies and answers of the REST routes: `/auth` and the `/chat` twins of the websocket requests.
//!
//! In: an HTTP body. Out: borrowed fields, or the [`BindError`] that becomes HTTP 400; and the text of
//! answers. Keys match in any case, the last duplicate counts, `null` is as good as absent, types are
//! exact, only the first JSON value of a body is read. Never sees headers, tokens or the clock. The
//! answers of `/chat` are those of [`crate::reply`] and [`crate::pull`].

mod auth;
mod bind;
mod chat;

pub use auth::{Register, TokenRequest, decode_register, decode_token, token_answer};
pub use bind::{BindError, error_answer};
pub use chat::{ChatHead, RestPull, RestSend, decode_newest_seq, decode_pull_msg, decode_send_msg};
