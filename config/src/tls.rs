//! `tls`: the certificate that clients find.

use std::path::PathBuf;

use crate::section::section;
use crate::setting::text;

section! {
    /// TLS on the ports of websocket and REST.
    pub struct Tls {
        /// Certificates in PEM, the server's own first; empty: no TLS.
        pub cert_file: PathBuf = PathBuf::new(), "certFile" => text("a path");
        /// The private key of the first, in PEM.
        pub key_file: PathBuf = PathBuf::new(), "keyFile" => text("a path");
    }
}

impl Tls {
    /// Whether the ports speak TLS.
    pub fn is_on(&self) -> bool {
        !self.cert_file.as_os_str().is_empty()
    }
}
