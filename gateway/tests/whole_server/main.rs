//! Whole-server tests: the real `openim` program, real sockets, one behaviour per file. A file's name states what
//! must be true; `cNN` names the check of the compatibility list it covers.

#[path = "../support/mod.rs"]
mod support;

mod clock;
#[cfg(feature = "cluster")]
mod cluster;
mod console;
mod conversations;
mod copies;
mod frames;
mod friends;
mod group_joining;
mod group_members;
mod groups;
mod handshake;
mod homes;
mod limits;
mod links;
mod managing;
mod operating;
mod pages;
mod profiles;
mod pull;
mod push;
mod rest;
mod sdk;
mod send;
mod standby;
mod start;
mod survival;
mod tls;
mod tokens;
mod users;
mod webhooks;
mod why;
