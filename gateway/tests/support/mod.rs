//! What every whole-server test stands on: the real program in a directory of its own, clients on real
//! sockets, and tokens made without the server's help. Nothing here knows the server's insides.

pub(crate) mod backend;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;
pub(crate) mod console;
pub(crate) mod engine;
pub(crate) mod fault;
pub(crate) mod groups;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod link;
#[cfg(feature = "cluster")]
pub(crate) mod mysql_proxy;
pub(crate) mod operator;
pub(crate) mod raw;
pub(crate) mod rest;
pub(crate) mod server;
pub(crate) mod tls;

use std::time::Duration;

/// How long a test waits for something that must happen. Machines are noisy: this is no performance bound, and a call
/// that takes seconds takes many times that beside sixteen others that want the two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The registration secret every test server is started with.
pub(crate) const SECRET: &str = "whole-server-tests";

/// The key that signs tokens on every test server.
pub(crate) const ACCESS_SECRET: &str = "whole-server-tests-token-key";

/// Platform ids of the wire; 1, 2 and 6 are of class Mobile, the others of class PC.
pub(crate) mod platform {
    pub(crate) const IOS: i64 = 1;
    pub(crate) const ANDROID: i64 = 2;
    pub(crate) const WINDOWS: i64 = 3;
    pub(crate) const WEB: i64 = 5;
}
