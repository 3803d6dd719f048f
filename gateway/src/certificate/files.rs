//! The files of the certificate and its key: what they hold, and whether it will do.

use std::fmt::Display;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openim_config::Tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::{Span, expiry, now_s};

/// No certificate or key is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What is spoken inside.
const PROTOCOL: &[u8] = b"http/1.1";
/// Who may read or write a file without being its owner or of its group.
const BY_ALL: u32 = 0o006;

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What they held.
pub(super) struct Read {
    files: Files,
    certificate: Vec<u8>,
    key: Vec<u8>,
    /// Everybody on the machine may read or write the key.
    key_is_open: bool,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What the shards take connections with, and when it is good.
pub(super) type Made = (ServerConfig, Span);

impl Files {
    pub(super) fn of(tls: &Tls) -> Self {
        Self { certificate: tls.cert_file.clone(), key: tls.key_file.clone() }
    }

    /// # Errors
    /// One line with key and path.
    pub(super) fn read(&self) -> Result<Read, String> {
        let (certificate, _) = read("tls.certFile", &self.certificate)?;
        let (key, mode) = read("tls.keyFile", &self.key)?;
        Ok(Read { certificate, key, files: self.clone(), key_is_open: mode & BY_ALL != 0 })
    }

    /// The server's own certificate, the first one.
    ///
    /// # Errors
    /// One line with key and path.
    pub(super) fn own(&self) -> Result<CertificateDer<'static>, String> {
        let key = "tls.certFile";
        let (bytes, _) = read(key, &self.certificate)?;
        let first = CertificateDer::pem_slice_iter(&bytes).next().and_then(Result::ok);
        let none = || format!("{key}: {} holds no certificate", self.certificate.display());
        first.ok_or_else(none)
    }
}

/// What a file holds, and who may do what with it.
fn read(key: &str, path: &Path) -> Result<(Vec<u8>, u32), String> {
    let named = |why: &dyn Display| format!("{key}: {} cannot be read ({why})", path.display());
    let meta = std::fs::metadata(path).map_err(|cause| named(&cause))?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(named(&"it is no file, or a very large one"));
    }
    let bytes = std::fs::read(path).map_err(|cause| named(&cause))?;
    Ok((bytes, meta.permissions().mode()))
}

impl Read {
    /// Whether the files held the same before.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.files, &self.certificate, &self.key)
            == (&other.files, &other.certificate, &other.key)
    }

    /// Takes who may read the key from a later look at the same; whether everybody may from now on.
    pub(super) fn opens(&mut self, later: &Self) -> bool {
        let opens = later.key_is_open && !self.key_is_open;
        self.key_is_open = later.key_is_open;
        opens
    }

    /// Tells what is wrong and keeps nobody from using it.
    pub(super) fn warn(&self) {
        if self.key_is_open {
            tracing::warn!(
                "tls.keyFile: everybody on this machine can read or change {}: chmod 600 it, or 640 with a group of the \
                 server alone, and get a new key if somebody may have read it",
                self.files.key.display()
            );
        }
    }

    /// What shards take connections with, and when the certificate is good.
    ///
    /// # Errors
    /// One line with key and path.
    pub(super) fn terms(&self) -> Result<Made, String> {
        let at =
            |key: &str, path: &Path, why: &dyn Display| format!("{key}: {} {why}", path.display());
        let Files { certificate, key } = &self.files;
        let of_certificate = |why: &dyn Display| at("tls.certFile", certificate, why);
        let of_key = |why: &dyn Display| at("tls.keyFile", key, why);
        let chain =
            CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| {
            of_certificate(&"holds no certificate: it wants PEM, the server's own first, then those between it and the root")
        })?;
        let span = expiry::of(&chain[0]);
        let span = span.ok_or_else(|| of_certificate(&"holds what is no certificate"))?;
        if span.ends_s <= now_s() {
            return Err(of_certificate(&"has expired: clients would refuse it; get a new one"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| of_key(&"holds no private key: it wants PEM, without a password"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let terms = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let mut terms = terms.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of_key(&format!("is not the key of the certificate in {}", certificate.display()))
            }
            error => of_key(&format!(
                "will not do with the certificate in {} ({error})",
                certificate.display()
            )),
        })?;
        // Sessions are in the clients' tickets: nothing of them is kept here, and no lock guards it.
        terms.session_storage = Arc::new(NoServerSessionStorage {});
        terms.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok((terms, span))
    }
}
