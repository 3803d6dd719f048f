//! `api`: REST.

use crate::section::section;
use crate::setting::list;

section! {
    /// REST.
    pub struct Api {
        /// Ports, one listener each; 0 takes a free one.
        pub port: Vec<u16> = vec![10_000], "openImApiPort" => list(1, "ports from 0 to 65535");
    }
}
