//! Whom a server that is asked by TLS must be.
//!
//! In: settings, and the file that a command names. Out: what begins TLS. The files are read for each connection: who asks for
//! months finds the certificates of each month.

use std::io;
use std::path::{Path, PathBuf};

use openim_config::{Config, Tls};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

use super::Place;
use crate::{certificate, tls};

/// No list of authorities is larger.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A server on another machine, and who speaks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Elsewhere {
    /// A server on another machine: http://HOST:PORT of its operators' port, or https:// where that has TLS
    ///
    /// With its secret in the variable OPENIM_ADMIN_SECRET.
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Who signed its certificate, or the certificate itself, in PEM [default: admin.caFile, or whom browsers trust]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub ca: Option<PathBuf>,
}

impl Elsewhere {
    /// Where it is; `None`: it is this machine's.
    ///
    /// # Errors
    /// One line of what is wrong with address or file.
    pub(crate) fn place(&self, config: &Config) -> Result<Option<Place>, String> {
        let Some(url) = &self.from else { return Ok(None) };
        let trust = Trust::another(config, self.ca.as_deref())?;
        Place::of_another(url, trust).map(Some)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trust {
    /// Settings with the one certificate that it may have.
    own: Option<Tls>,
    /// Whom else; `None`: nobody.
    others: Option<Others>,
}

/// Whose certificates are good.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Others {
    /// Those of the authorities that browsers trust.
    Public,
    /// Those in this file, and those that they have signed. The setting or flag that names it comes with it.
    In(PathBuf, &'static str),
}

impl Trust {
    /// Whom browsers trust.
    pub(crate) const fn public() -> Self {
        Self { own: None, others: Some(Others::Public) }
    }

    /// The server with these settings, and no other.
    pub(crate) fn own(config: &Config) -> Self {
        Self { own: Some(config.tls.clone()), others: None }
    }

    /// Another server: one with the certificate of these settings, or one that `ca` speaks for, else `admin.caFile`, else whom
    /// browsers trust.
    ///
    /// # Errors
    /// One line of what is wrong with the file.
    pub(crate) fn another(config: &Config, ca: Option<&Path>) -> Result<Self, String> {
        let kept = &config.admin.ca_file;
        let kept = (!kept.as_os_str().is_empty()).then_some((kept.as_path(), "admin.caFile"));
        let named = ca.map(|ca| (ca, "--ca")).or(kept);
        if let Some((file, key)) = named {
            authorities(file, key)?;
        }
        let others = named.map_or(Others::Public, |(file, key)| Others::In(file.to_owned(), key));
        let own = config.tls.is_on().then(|| config.tls.clone());
        Ok(Self { own, others: Some(others) })
    }

    /// Whom this file speaks for, without it whom browsers trust.
    ///
    /// # Errors
    /// One line of what is wrong with the file.
    pub(crate) fn by(ca: Option<&Path>) -> Result<Self, String> {
        let Some(ca) = ca else { return Ok(Self::public()) };
        authorities(ca, "--ca")?;
        Ok(Self { own: None, others: Some(Others::In(ca.to_owned(), "--ca")) })
    }

    /// The authority of `tls.acme`: one that this file speaks for, without it one that browsers trust.
    ///
    /// # Errors
    /// One line of what is wrong with the file.
    pub(crate) fn authority(file: &Path) -> Result<Self, String> {
        let key = "tls.acme.caFile";
        if file.as_os_str().is_empty() {
            return Ok(Self::public());
        }
        authorities(file, key)?;
        Ok(Self { own: None, others: Some(Others::In(file.to_owned(), key)) })
    }

    pub(super) fn connector(&self) -> io::Result<TlsConnector> {
        let mut known = Vec::new();
        match (&self.own, &self.others) {
            (Some(own), None) => known.push(certificate::own(own).map_err(io::Error::other)?),
            // Who runs this may not be who may read that.
            (Some(own), Some(_)) => known.extend(certificate::own(own)),
            (None, _) => {}
        }
        let mut roots = RootCertStore::empty();
        match &self.others {
            None => {}
            Some(Others::Public) => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(Others::In(file, key)) => {
                let named = authorities(file, key).map_err(io::Error::other)?;
                roots.add_parsable_certificates(named.iter().cloned());
                known.extend(named);
            }
        }
        tls::connector_knowing(known, roots).map_err(io::Error::other)
    }
}

/// The certificates in a file.
fn authorities(file: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = file.display();
    let failed = |why: &dyn std::fmt::Display| format!("{key}: {place} cannot be read ({why})");
    let meta = std::fs::metadata(file).map_err(|cause| failed(&cause))?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(failed(&"it is no file, or a very large one"));
    }
    let bytes = std::fs::read(file).map_err(|cause| failed(&cause))?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let read = read.ok().filter(|read| !read.is_empty());
    read.ok_or_else(|| format!("{key}: {place} holds no certificate: it wants PEM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_nobody_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let mut config = Config::default();
        let said = Trust::another(&config, Some(&file)).unwrap_err();
        assert!(said.contains("--ca") && said.contains("cannot be read"), "{said}");
        std::fs::write(&file, "none").unwrap();
        config.admin.ca_file = file;
        let said = Trust::another(&config, None).unwrap_err();
        assert!(said.contains("admin.caFile") && said.contains("holds no certificate"), "{said}");
    }
}
