//! REST on the shard threads: connections, routes, answers (spec, REST 1.1).
//!
//! Routes are thin: decode, authenticate, call the same operation as the websocket, write the answer.

mod account;
mod accounts;
mod answer;
mod bearer;
mod body;
mod chat;
mod connection;
mod conversations;
mod dismissing;
mod friend_lists;
mod friends;
mod group_lists;
mod groups;
mod june;
mod managing;
mod pages;
mod pull_body;
mod route;
mod sessions;
mod stalling;
mod third;
mod under_way;
mod users;
mod web;
mod why;

pub(crate) use connection::accept;
