//! What is kept in the data directory: the account, and the certificate with its key in one file, so that one never lies there
//! without the other. Both are for the server's user alone.

use std::io;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use openim_config::{Acme, Tls};
use rcgen::{CertificateParams, KeyPair};

use crate::certificate::{self, Span};
use crate::secrets;

const ACCOUNT: &str = "acme_account";

/// See the module.
pub(super) struct Kept {
    account: PathBuf,
    certificate: PathBuf,
    domains: Vec<String>,
    directory_url: String,
}

/// What lies there that goes with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// One that the server has signed itself.
    Temporary,
    /// One that was signed for other names, or by another authority; it serves until there is a better one.
    Other,
    /// One that the authority has signed.
    Had(Span),
}

impl Kept {
    pub(super) fn at(data_dir: &Path, acme: &Acme) -> Self {
        Self {
            account: data_dir.join(ACCOUNT),
            certificate: data_dir.join(Tls::ACME_FILE),
            domains: acme.domains.clone(),
            directory_url: acme.directory_url.clone(),
        }
    }

    /// The first line of the file, before what is in PEM: it is of these settings, or another one is had.
    fn head(&self, kind: &str) -> String {
        format!("{kind} certificate of {} by {}\n", self.domains.join(","), self.directory_url)
    }

    pub(super) fn found(&self) -> Found {
        let text = std::fs::read_to_string(&self.certificate).unwrap_or_default();
        let Ok(span) = certificate::span_of(&self.certificate) else { return Found::Nothing };
        if text.starts_with(&self.head("signed")) {
            return Found::Had(span);
        }
        match text.starts_with(&self.head("temporary")) {
            true => Found::Temporary,
            false if text.starts_with("signed ") => Found::Other,
            false => Found::Nothing,
        }
    }

    /// # Errors
    /// One line.
    pub(super) fn write(&self, pem: &str) -> Result<(), String> {
        self.keep(&self.certificate, &format!("{}{}", self.head("signed"), pem.trim_end()))
    }

    pub(super) fn write_temporary(&self) -> anyhow::Result<()> {
        let params = CertificateParams::new(self.domains.clone())?;
        let key = KeyPair::generate()?;
        let (pem, key) = (params.self_signed(&key)?.pem(), key.serialize_pem());
        let text = format!("{}{pem}{}", self.head("temporary"), key.trim_end());
        self.keep(&self.certificate, &text).map_err(anyhow::Error::msg)
    }

    /// The account at this authority.
    ///
    /// # Errors
    /// One line: what is kept is none.
    pub(super) fn account(&self) -> Result<Option<AccountCredentials>, String> {
        let failed = |why: &dyn std::fmt::Display| {
            format!(
                "{}: cannot be read ({why}); without it another account is made",
                self.account.display()
            )
        };
        let text = match std::fs::read_to_string(&self.account) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|cause| failed(&cause))?,
        };
        let kept: serde_json::Value =
            serde_json::from_str(&text).map_err(|cause| failed(&cause))?;
        if kept["directory"] != self.directory_url.as_str() {
            return Ok(None);
        }
        serde_json::from_value(kept).map(Some).map_err(|cause| failed(&cause))
    }

    /// # Errors
    /// One line.
    pub(super) fn write_account(&self, account: &AccountCredentials) -> Result<(), String> {
        let text = serde_json::to_string(account).map_err(|cause| cause.to_string())?;
        self.keep(&self.account, &text)
    }

    /// The authority does not know it: another one is made.
    pub(super) fn forget_account(&self) {
        // The next order finds out.
        drop(std::fs::remove_file(&self.account));
    }

    fn keep(&self, file: &Path, text: &str) -> Result<(), String> {
        let failed = |cause| format!("{}: cannot be written ({cause})", file.display());
        secrets::write(file, text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_of_other_settings_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let acme = Acme { domains: vec!["a.example.com".to_owned()], ..Acme::default() };
        let kept = Kept::at(dir.path(), &acme);
        assert_eq!(kept.found(), Found::Nothing);
        kept.write_temporary().unwrap();
        assert_eq!(kept.found(), Found::Temporary);
        let file = dir.path().join(Tls::ACME_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        kept.write(text.split_once('\n').unwrap().1).unwrap();
        assert!(matches!(kept.found(), Found::Had(_)));
        let other = Acme { domains: vec!["b.example.com".to_owned()], ..acme.clone() };
        assert_eq!(Kept::at(dir.path(), &other).found(), Found::Other);
        let other = Acme { directory_url: "https://another".to_owned(), ..acme };
        assert_eq!(Kept::at(dir.path(), &other).found(), Found::Other);
        std::fs::write(&file, "none").unwrap();
        assert_eq!(kept.found(), Found::Nothing);
    }
}
