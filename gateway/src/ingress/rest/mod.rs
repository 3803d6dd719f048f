//! REST on the shard threads: connections, routes, answers (spec, REST 1.1).
//!
//! Routes are thin: decode, authenticate, call the same operation as the websocket, write the answer.

mod accounts;
mod answer;
mod chat;
mod connection;
mod pull_body;
mod route;
mod stalling;
mod third;

pub(crate) use connection::accept;
