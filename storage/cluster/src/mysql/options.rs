//! Where the database is, and how long and by how many connections it is asked.

use std::time::Duration;

/// Settings of a store on MySQL. They are not to be shown: the address has a password in it.
#[derive(Clone)]
pub struct Options {
    /// `mysql://user:password@host:port`, with settings of the client behind `?`, as `ssl-mode`. Accounts of MySQL 8 with
    /// `caching_sha2_password` need TLS.
    pub url: String,
    /// The database; made when it is not there.
    pub database: String,
    /// Connections that are open at most.
    pub connections_max: u32,
    /// How long a call waits for one.
    pub connect_timeout: Duration,
    /// How long a call takes in all, with what is tried again: then it is given up, and its connection with it.
    pub call_timeout: Duration,
    /// How often a change is tried that the server gave up in favour of another.
    pub tries_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "mysql://root@127.0.0.1:3306".to_owned(),
            database: "openIM".to_owned(),
            connections_max: 16,
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(10),
            tries_max: 8,
        }
    }
}
