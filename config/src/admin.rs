//! `admin`: metrics and health.

use crate::section::section;
use crate::setting::text;
use std::net::{Ipv4Addr, SocketAddr};

section! {
    /// Operator endpoints: `/metrics`, `/healthz`, `/readyz`.
    pub struct Admin {
        /// Where they listen; port 0 takes a free one.
        pub listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 10_002)), "listen" => text("an address and a port like 127.0.0.1:10002");
    }
}
