//! Where the store is, whose it is, and how long and by how many connections it is asked.

use std::time::Duration;

/// Settings of a history on MongoDB.
#[derive(Clone, Debug)]
pub struct Options {
    /// `mongodb://user:password@host:port,host:port/`, with settings of the client behind `?`, as `replicaSet` or `tls`.
    pub url: String,
    /// The database; made when it is not there.
    pub database: String,
    /// Name of the cluster: a database that another one has begun is refused.
    pub cluster: String,
    /// Partitions of each topic; fixed for ever, as inboxes lie where their partition was.
    pub partitions: u16,
    /// How long the key of a send is remembered: pages are kept for so long, in append time.
    pub window: Duration,
    /// Keys of a partition that are loaded at most, the newest.
    pub keys_max: usize,
    /// How long the body of a group's message outlives its expiry. Its entries expire in the order of their inboxes, where
    /// one whose relay was late lies behind younger ones: as long as a log keeps what nobody has read.
    pub bodies_kept: Duration,
    /// Connections to one server at most.
    pub connections_max: u32,
    /// How long one may take to be opened.
    pub connect_timeout: Duration,
    /// How long a call waits for a server that can be asked. Short: what waits is done at the next process of a server,
    /// if that comes up in time.
    pub select_timeout: Duration,
    /// How long a call takes in all: then it is given up, and its connection with it.
    pub call_timeout: Duration,
    /// Entries that one command writes at most.
    pub entries_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "mongodb://127.0.0.1:27017/".to_owned(),
            database: "openIM".to_owned(),
            cluster: "openim".to_owned(),
            partitions: 64,
            window: Duration::from_secs(600),
            keys_max: 1_000_000,
            bodies_kept: Duration::from_secs(72 * 60 * 60),
            connections_max: 16,
            connect_timeout: Duration::from_secs(3),
            select_timeout: Duration::from_secs(1),
            call_timeout: Duration::from_secs(10),
            entries_max: 1_000,
        }
    }
}
