//! The wire as bytes and types: websocket frames, HTTP upgrade heads, JSON requests, replies and pushes.
//!
//! Pure: byte slices come in, borrowed values and appended bytes go out. No socket, clock or random
//! source; nothing a peer can send panics or grows memory beyond the limits given.
#![forbid(unsafe_code)]

pub mod claim;
pub mod close;
pub mod errcode;
pub mod frame;
pub mod handshake;
pub mod json;
pub mod pull;
pub mod push;
pub mod reply;
pub mod request;
pub mod rest;
pub mod shown;
pub mod tip;
