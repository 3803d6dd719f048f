//! What the benches and the figures share: a message as it is sent, the server as a process, and a
//! small client for it.
//!
//! The benches (`benches/`) call the stages of a message one by one; the figures (`src/bin/figures`)
//! see the server from outside only. Never: part of the product.
#![forbid(unsafe_code)]

mod client;
mod crowd;
mod poll;
mod sample;
mod server;

pub use client::{Link, User};
pub use crowd::{Crowd, Seen};
pub use poll::{Pipe, Poll, whole_frames};
pub use sample::{CLIENT_MSG_ID, CONTENT, RECEIVER, SENDER, message, record, send_payload};
pub use server::{Server, Setup, release_binary, release_binary_with, release_example};

/// The server's allocator, so that a bench pays what the server would.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
