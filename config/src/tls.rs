//! `tls`: the certificate that clients and operators find.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::section::section;
use crate::setting::{choice, one_of, text};

choice! {
    /// Whether the operators' port speaks TLS.
    pub enum OperatorsTls {
        /// Where clients' ports do, and it can be reached from elsewhere.
        Auto = "auto",
        /// It does.
        On = "on",
        /// It is plain.
        Off = "off",
    }
}

section! {
    /// TLS on the ports of websocket and REST.
    pub struct Tls {
        /// Certificates in PEM, the server's own first; empty: no TLS.
        pub cert_file: PathBuf = PathBuf::new(), "certFile" => text("a path");
        /// The private key of the first, in PEM.
        pub key_file: PathBuf = PathBuf::new(), "keyFile" => text("a path");
        /// The operators' port, with the same certificate.
        pub operators: OperatorsTls = OperatorsTls::default(), "operators" => one_of;
    }
}

impl Tls {
    /// Whether the ports speak TLS.
    pub fn is_on(&self) -> bool {
        !self.cert_file.as_os_str().is_empty()
    }

    /// Whether the operators' port does, which listens there.
    pub fn is_for_operators(&self, listen: SocketAddr) -> bool {
        match self.operators {
            OperatorsTls::On => true,
            OperatorsTls::Off => false,
            OperatorsTls::Auto => self.is_on() && !listen.ip().to_canonical().is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_from_elsewhere_come_by_tls_where_clients_do() {
        let is = |cert_file: &str, operators, listen: &str| {
            let tls = Tls { cert_file: cert_file.into(), operators, ..Tls::default() };
            tls.is_for_operators(listen.parse().unwrap())
        };
        let (auto, on, off) = (OperatorsTls::Auto, OperatorsTls::On, OperatorsTls::Off);
        for (file, operators, listen, expected) in [
            ("", auto, "0.0.0.0:1", false),
            ("cert", auto, "127.0.0.1:1", false),
            ("cert", auto, "[::1]:1", false),
            ("cert", auto, "[::ffff:127.0.0.1]:1", false),
            ("cert", auto, "0.0.0.0:1", true),
            ("cert", auto, "10.0.0.1:1", true),
            ("cert", off, "10.0.0.1:1", false),
            ("cert", on, "127.0.0.1:1", true),
        ] {
            assert_eq!(is(file, operators, listen), expected, "{file} {operators:?} {listen}");
        }
    }
}
