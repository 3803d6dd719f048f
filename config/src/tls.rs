//! `tls`: the certificate that clients and operators find.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::section::{nested, section};
use crate::setting::{choice, list, one_of, text};

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
    /// Certificates by ACME.
    pub struct Acme {
        /// Names of the server; empty: none are got.
        pub domains: Vec<String> = Vec::new(), "domains" => list(0, "names like im.example.com");
        /// Whom the authority may write to.
        pub email: String = String::new(), "email" => text("an address of mail");
        /// Where the authority is asked.
        pub directory_url: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(), "directoryUrl" => text("an address like https://acme.example.com/directory");
        /// Whom the authority's own certificate must be signed by, in PEM; empty: whom browsers trust.
        pub ca_file: PathBuf = PathBuf::new(), "caFile" => text("a path");
        /// Where its question is answered, which comes by HTTP to port 80 of each name.
        pub http_listen: SocketAddr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80)), "httpListen" => text("an address and a port like 0.0.0.0:80");
    }
}

impl Acme {
    /// Whether a certificate is got.
    pub fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }
}

section! {
    /// TLS on the ports of websocket and REST.
    pub struct Tls {
        /// Certificates in PEM, the server's own first; empty: no TLS.
        pub cert_file: PathBuf = PathBuf::new(), "certFile" => text("a path");
        /// The private key of the first, in PEM.
        pub key_file: PathBuf = PathBuf::new(), "keyFile" => text("a path");
        /// A certificate that the server gets by itself.
        pub acme: Acme = Acme::default(), "acme" => nested;
        /// The operators' port, with the same certificate.
        pub operators: OperatorsTls = OperatorsTls::default(), "operators" => one_of;
    }
}

impl Tls {
    /// In the data directory: key and certificate that were got by ACME.
    pub const ACME_FILE: &str = "acme_certificate";

    /// Whether the ports speak TLS.
    pub fn is_on(&self) -> bool {
        self.acme.is_on() || !self.cert_file.as_os_str().is_empty()
    }

    /// Has what is got by ACME be found in this data directory.
    pub fn place(&mut self, data_dir: &Path) {
        if self.acme.is_on() {
            self.cert_file = data_dir.join(Self::ACME_FILE);
            self.key_file.clone_from(&self.cert_file);
        }
    }

    /// Whether there are files besides what is got by ACME.
    pub fn is_twofold(&self) -> bool {
        let file = &self.cert_file;
        let is_own =
            file.as_os_str().is_empty() || file.file_name() == Some(Self::ACME_FILE.as_ref());
        self.acme.is_on() && !is_own
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
