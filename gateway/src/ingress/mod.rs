//! How the world comes in: listeners, handshakes, links, REST.

mod entrance;
mod forwarded;
mod greeting;
mod handshake;
pub(crate) mod link;
mod listener;
mod ports;
pub(crate) mod rest;

pub(crate) use handshake::admit;
pub(crate) use listener::{accept_websockets, bind_alone};
pub(crate) use ports::{Listeners, listen_all};
