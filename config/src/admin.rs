//! `admin`: metrics, health, copies.

use crate::Secret;
use crate::section::section;
use crate::setting::{number, text};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

section! {
    /// Operator endpoints: `/metrics`, `/healthz`, `/readyz`, and `/copy` for backups.
    pub struct Admin {
        /// Where they listen; port 0 takes a free one.
        pub listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 10_002)), "listen" => text("an address and a port like 127.0.0.1:10002");
        /// What whoever copies the data must know; empty: generated.
        pub secret: Secret = Secret::default(), "secret" => text("text");
        /// Whom operators' ports of other servers must be certified by, in PEM; empty: those that browsers trust.
        pub ca_file: PathBuf = PathBuf::new(), "caFile" => text("a path");
        /// Bodies of copies that are sent at once.
        pub copies_max: usize = 4, "copiesMax" => number(1..=16);
        /// Mebibytes a second that copies take, all together; 0: as many as they can.
        pub copy_mib_per_second: u64 = 0, "copyMibPerSecond" => number(0..=1_000_000);
    }
}
