//! Whole-server tests: the real `openim` program, real sockets, one behaviour per file. A file's name states what
//! must be true; `cNN` names the check of the compatibility list it covers.

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod groups;
mod handshake;
mod limits;
mod links;
mod profiles;
mod pull;
mod rest;
mod send;
mod start;
mod survival;
mod tokens;
