//! A look at the port of a component that cannot be reached: whether TLS is spoken there as the settings say.
//!
//! In: its address and the settings of its TLS. Out: the key that somebody has to change and why, as far as a handshake
//! shows it. Clients of components tell of a port that does not answer, a certificate that they do not take and a wrong
//! protocol in the same words. Nothing is asked of the component, and no password is shown to it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tls::connector;

/// What a look at one address may take, and the handshake there.
const LOOK_MAX: Duration = Duration::from_secs(5);
const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// Where to look, and what should be there.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) addresses: Vec<String>,
    /// The setting of the addresses.
    pub(super) address_key: &'static str,
    /// Whether TLS is asked for, and the setting that says so.
    pub(super) tls: bool,
    pub(super) tls_key: &'static str,
    pub(super) authorities: PathBuf,
    /// Whether the server speaks first and is then asked for TLS, as MySQL's; else TLS begins at once.
    pub(super) greets: bool,
}

/// Which setting does not fit, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) key: &'static str,
    pub(super) why: String,
}

/// How a handshake ended.
enum Shaken {
    /// With a server that showed a certificate which was taken.
    Well,
    /// The server says that it has no TLS.
    Without,
    /// The server says nothing.
    Silent,
    Badly(io::Error),
}

impl Look {
    /// The first that does not fit; `None` where TLS is not what stands in the way.
    pub(super) async fn find(&self) -> Option<Finding> {
        for address in &self.addresses {
            let looked = timeout(LOOK_MAX, self.shake(address)).await;
            if let Some((host, shaken)) = looked.ok().flatten()
                && let Some(finding) = self.judge(&host, &shaken)
            {
                return Some(finding);
            }
        }
        None
    }

    /// Whether anything listens at one of the addresses.
    pub(super) async fn listens(&self) -> bool {
        for address in &self.addresses {
            if matches!(timeout(HANDSHAKE_MAX, TcpStream::connect(address)).await, Ok(Ok(_))) {
                return true;
            }
        }
        false
    }

    /// The host and how the handshake ended; `None` where nobody answers at all.
    async fn shake(&self, address: &str) -> Option<(String, Shaken)> {
        let host = address.rsplit_once(':')?.0.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).ok()?;
        // Where none is asked for, no certificate is taken: that one is shown says enough.
        let roots = if self.tls { roots(&self.authorities).ok()? } else { RootCertStore::empty() };
        let mut stream = TcpStream::connect(address).await.ok()?;
        if self.greets {
            // Unasked, its client takes TLS where it is offered, whatever the certificate.
            if !self.tls {
                return None;
            }
            match ask_for_tls(&mut stream).await {
                Ok(true) => {}
                Ok(false) => return Some((host, Shaken::Without)),
                Err(_) => return None,
            }
        }
        let shaken = match timeout(HANDSHAKE_MAX, connector(roots).connect(name, stream)).await {
            Ok(Ok(_)) => Shaken::Well,
            Ok(Err(error)) => Shaken::Badly(error),
            Err(_) => Shaken::Silent,
        };
        Some((host, shaken))
    }

    fn judge(&self, host: &str, shaken: &Shaken) -> Option<Finding> {
        let Self { address_key, tls, tls_key, authorities, .. } = self;
        let find = |key, why| Some(Finding { key, why });
        let without = || find(tls_key, format!("no TLS is spoken there, and {tls_key} is true"));
        let error = match shaken {
            Shaken::Well => return None,
            Shaken::Without => return without(),
            // A Redis without TLS waits for the end of a line.
            Shaken::Silent if *tls => {
                let why = format!("it answers no handshake of TLS, and {tls_key} is true");
                return find(tls_key, why);
            }
            Shaken::Silent => return None,
            Shaken::Badly(error) => error,
        };
        let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        if !tls {
            let spoken = matches!(
                error,
                Some(
                    Error::InvalidCertificate(_)
                        | Error::AlertReceived(_)
                        | Error::PeerIncompatible(_)
                )
            );
            return spoken
                .then(|| format!("TLS is spoken there, and {tls_key} is false"))
                .and_then(|why| find(tls_key, why));
        }
        match error {
            Some(Error::InvalidCertificate(bad)) => match bad {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    let authorities = authorities.display();
                    let why = format!("its certificate is signed by no authority in {authorities}");
                    find("cluster.tlsCaFile", why)
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    find(address_key, format!("its certificate is for other names than {host}"))
                }
                bad => find(tls_key, format!("its certificate will not do: {bad}")),
            },
            Some(Error::AlertReceived(alert)) => {
                find(tls_key, format!("it refuses the handshake of TLS: {alert:?}"))
            }
            Some(Error::InvalidMessage(_)) | None => without(),
            Some(other) => find(tls_key, format!("no handshake of TLS: {other}")),
        }
    }
}

/// The authorities of a PEM file.
///
/// # Errors
/// It cannot be read, or has none.
pub(super) fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let pem = std::fs::read(file).context("cannot be read")?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.context("is no PEM file of certificates")?;
        roots.add(certificate).context("has a certificate of no authority")?;
    }
    anyhow::ensure!(!roots.is_empty(), "has no certificate in it");
    Ok(roots)
}

/// Reads the greeting of a MySQL server and asks for TLS; whether it has any.
async fn ask_for_tls(stream: &mut TcpStream) -> io::Result<bool> {
    const HAS_TLS: u16 = 0x0800;
    // Version 4.1 of the protocol, TLS, passwords as of 4.1.
    const WANTED: u32 = 0x0200 | 0x0800 | 0x8000;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut greeting = vec![0; usize::try_from(length.min(4_096)).unwrap_or_default()];
    stream.read_exact(&mut greeting).await?;
    // The protocol's number, the version as text up to a zero, the link's number (4 bytes), 8 bytes to answer, a zero.
    let after_version = greeting.iter().skip(1).position(|byte| *byte == 0).map(|at| at + 2);
    let abilities = after_version.and_then(|at| greeting.get(at + 13..at + 15));
    let Some(&[low, high]) = abilities else { return Ok(false) };
    if u16::from_le_bytes([low, high]) & HAS_TLS == 0 {
        return Ok(false);
    }
    let mut asked = vec![32, 0, 0, 1];
    asked.extend_from_slice(&WANTED.to_le_bytes());
    asked.resize(36, 0);
    stream.write_all(&asked).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, InvalidMessage};

    use super::*;

    fn look(tls: bool) -> Look {
        Look {
            addresses: vec!["h:1".to_owned()],
            address_key: "etcd.etcdAddr",
            tls,
            tls_key: "etcd.tls",
            authorities: "ca.pem".into(),
            greets: false,
        }
    }

    fn key(tls: bool, error: Error) -> Option<&'static str> {
        let shaken = Shaken::Badly(io::Error::other(error));
        look(tls).judge("h", &shaken).map(|finding| finding.key)
    }

    #[test]
    fn what_ends_a_handshake_names_the_key_to_change() {
        let bad = Error::InvalidCertificate;
        for (tls, error, wanted) in [
            (true, bad(CertificateError::UnknownIssuer), Some("cluster.tlsCaFile")),
            (true, bad(CertificateError::NotValidForName), Some("etcd.etcdAddr")),
            (true, bad(CertificateError::Expired), Some("etcd.tls")),
            (true, Error::InvalidMessage(InvalidMessage::InvalidContentType), Some("etcd.tls")),
            (true, Error::AlertReceived(AlertDescription::AccessDenied), Some("etcd.tls")),
            (false, bad(CertificateError::UnknownIssuer), Some("etcd.tls")),
            (false, Error::InvalidMessage(InvalidMessage::InvalidContentType), None),
        ] {
            assert_eq!(key(tls, error.clone()), wanted, "{tls} {error:?}");
        }
        assert_eq!(look(true).judge("h", &Shaken::Well), None);
        let cut = Shaken::Badly(io::ErrorKind::UnexpectedEof.into());
        assert_eq!(look(true).judge("h", &cut).map(|finding| finding.key), Some("etcd.tls"));
        assert_eq!(look(false).judge("h", &cut), None);
        let silent = |tls| look(tls).judge("h", &Shaken::Silent).map(|finding| finding.key);
        assert_eq!((silent(true), silent(false)), (Some("etcd.tls"), None));
    }
}
