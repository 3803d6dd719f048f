//! The secrets of a server: configured, kept in the data directory, or made at the first start.
//!
//! In: the settings and the data directory, which this process must have locked already, so that no
//! other start can make its own at the same time. Out: [`Secrets`]. Never: logs or shows a secret.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use openim_config::{Config, Secret};

use crate::advice::weakness;

/// Characters of a `secret`, at most: the wire carries no more.
const SECRET_CHARS_MAX: usize = 32;
/// Random bytes of a `secret` made here; each becomes two characters.
const SECRET_BYTES: usize = 16;
/// Random bytes of an `access_secret` made here.
const ACCESS_SECRET_BYTES: usize = 32;

/// The file of what [`of_callers`] gives.
const CALLERS: &str = "secret";
/// The file of the key that tokens are signed with.
const TOKENS: &str = "access_secret";
/// The file of what [`of_operators`] gives.
const OPERATORS: &str = "admin_secret";
/// The file of what [`of_guests`] takes.
pub(crate) const GUESTS: &str = "chat_key";
/// The file of what [`of_console`] gives.
pub(crate) const CONSOLE: &str = "console_password";

/// The secrets this server runs with.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// What callers of `/auth` must know.
    pub(crate) secret: Secret,
    /// The key tokens are signed with.
    pub(crate) access_secret: Secret,
    /// What guests of the chat page must know, if there may be some.
    pub(crate) chat_key: Option<Secret>,
    /// Files made by this start.
    pub(crate) generated: Vec<PathBuf>,
    /// What the operator should know, one line each.
    pub(crate) warnings: Vec<String>,
}

/// The secrets cannot be had. `Display` is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    /// A file cannot be read or made.
    #[error("{}: cannot be {action} ({source})", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// "read" or "written".
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file holds no secret.
    #[error(
        "{}: {reason}; restore it from a backup of the data directory, or put one line of your own into it",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Data is there, and a secret that belongs to it is not.
    #[error(
        "{}: is missing, though there are users or messages beside it; restore it from a backup of the \
         data directory, or set {key}, or put one line of your own into the file: {after}",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The setting that would stand for it.
        key: &'static str,
        /// What another secret means.
        after: &'static str,
    },
    /// The system gives no random bytes.
    #[error("cannot make a secret: the system gives no random bytes ({0})")]
    Random(getrandom::Error),
}

/// Takes the secrets from the settings; those not set there, from `data_dir`; those not there, new ones
/// that are then kept there. Where somebody may be using the ones that are missing (`in_use`), none are
/// made: it would look like a working server that knows nobody.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn resolve(
    config: &Config,
    data_dir: &Path,
    in_use: bool,
) -> Result<Secrets, SecretsError> {
    let mut secrets = Secrets {
        secret: config.secret.clone(),
        access_secret: config.tokenpolicy.access_secret.clone(),
        chat_key: None,
        generated: Vec::new(),
        warnings: Vec::new(),
    };
    if secrets.secret.is_empty() {
        let path = data_dir.join(CALLERS);
        let after = "whoever calls /auth needs it";
        let missing = || SecretsError::Missing { path: path.clone(), key: "secret", after };
        secrets.secret = kept::<SECRET_BYTES>(&path, in_use.then(missing), &mut secrets)?;
        if secrets.secret.expose().chars().count() > SECRET_CHARS_MAX {
            let reason = "longer than 32 characters, which clients cannot send";
            return Err(SecretsError::Content { path, reason });
        }
    }
    if secrets.access_secret.is_empty() {
        let path = data_dir.join(TOKENS);
        let (key, after) = ("tokenpolicy.accessSecret", "with another one every token ends");
        let missing = || SecretsError::Missing { path: path.clone(), key, after };
        secrets.access_secret =
            kept::<ACCESS_SECRET_BYTES>(&path, in_use.then(missing), &mut secrets)?;
    }
    Ok(secrets)
}

/// What whoever copies the data must know, taken and kept in the same way. A new one harms nobody.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn of_operators(
    config: &Config,
    data_dir: &Path,
    secrets: &mut Secrets,
) -> Result<Secret, SecretsError> {
    match config.admin.secret.is_empty() {
        true => kept::<SECRET_BYTES>(&data_dir.join(OPERATORS), None, secrets),
        false => Ok(config.admin.secret.clone()),
    }
}

/// The same for one who asks a server: from the settings, or from the server's data directory if it can be read here.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn to_ask(config: &Config, data_dir: &Path) -> Result<Option<Secret>, SecretsError> {
    match config.admin.secret.is_empty() {
        true => read(&data_dir.join(OPERATORS), &mut Vec::new()),
        false => Ok(Some(config.admin.secret.clone())),
    }
}

/// What callers of `/auth` must know, for one who asks a server likewise.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn of_callers(config: &Config, data_dir: &Path) -> Result<Option<Secret>, SecretsError> {
    match config.secret.is_empty() {
        true => read(&data_dir.join(CALLERS), &mut Vec::new()),
        false => Ok(Some(config.secret.clone())),
    }
}

/// Every secret that is kept in a data directory and can be read, for who must not show one.
pub(crate) fn all_kept(data_dir: &Path) -> Vec<Secret> {
    let files = [CALLERS, TOKENS, OPERATORS, GUESTS, CONSOLE];
    let kept = |name| read(&data_dir.join(name), &mut Vec::new()).ok().flatten();
    files.into_iter().filter_map(kept).collect()
}

/// What guests of the chat page must know, taken and kept in the same way. A new one keeps nobody out who is in.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn of_guests(
    config: &Config,
    data_dir: &Path,
    secrets: &mut Secrets,
) -> Result<(), SecretsError> {
    let key = match config.web.key.is_empty() {
        true => kept::<SECRET_BYTES>(&data_dir.join(GUESTS), None, secrets)?,
        false => config.web.key.clone(),
    };
    secrets.chat_key = Some(key);
    Ok(())
}

/// What who logs in to the console must know, taken and kept in the same way. A new one keeps out who knows the old one.
///
/// # Errors
/// [`SecretsError`].
pub(crate) fn of_console(
    config: &Config,
    data_dir: &Path,
    secrets: &mut Secrets,
) -> Result<Secret, SecretsError> {
    match config.console.password.is_empty() {
        true => kept::<SECRET_BYTES>(&data_dir.join(CONSOLE), None, secrets),
        false => Ok(config.console.password.clone()),
    }
}

/// The secret kept in a file, or a new one of `BYTES` random bytes that is kept from now on, unless there
/// is a reason against making one.
fn kept<const BYTES: usize>(
    path: &Path,
    against: Option<SecretsError>,
    secrets: &mut Secrets,
) -> Result<Secret, SecretsError> {
    match (read(path, &mut secrets.warnings)?, against) {
        (Some(secret), _) => Ok(secret),
        (None, Some(against)) => Err(against),
        (None, None) => {
            let mut bytes = [0; BYTES];
            getrandom::fill(&mut bytes).map_err(SecretsError::Random)?;
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let failed =
                |source| SecretsError::File { path: path.into(), action: "written", source };
            write(path, &text).map_err(failed)?;
            secrets.generated.push(path.to_owned());
            Ok(Secret::new(text))
        }
    }
}

fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Option<Secret>, SecretsError> {
    let failed = |source| SecretsError::File { path: path.into(), action: "read", source };
    let wrong = |reason| SecretsError::Content { path: path.into(), reason };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong("not text"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("empty"));
    }
    if text.contains('\n') {
        return Err(wrong("more than one line"));
    }
    // A file of zeros is what some file systems leave after a power cut, and a secret that everybody knows.
    if text.contains(char::is_control) {
        return Err(wrong("not text"));
    }
    if let Some(why) = weakness(text) {
        let path = path.display();
        warnings.push(format!(
            "{path}: the secret in it {why}; restore it from a backup of the data directory if it was cut, or \
             put random text into it (openssl rand -hex 16)"
        ));
    }
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        warnings.push(format!(
            "{path}: others than its owner can use it (mode {mode:o}); chmod 600 it"
        ));
    }
    Ok(Some(Secret::new(text)))
}

/// Durable and whole or not at all: a crash leaves the file as it was, or a draft that the next start
/// replaces.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_files(secret: Option<&str>, access_secret: Option<&str>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("secret", secret), ("access_secret", access_secret)] {
            if let Some(text) = text {
                write(&dir.path().join(name), text).unwrap();
            }
        }
        dir
    }

    #[test]
    fn made_once_kept_private_and_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("not/there/yet");
        let first = resolve(&Config::default(), &data, false).unwrap();
        assert_eq!(first.secret.expose().len(), 32);
        assert_eq!(first.access_secret.expose().len(), 64);
        assert_ne!(first.secret.expose(), &first.access_secret.expose()[..32]);
        assert_eq!(first.generated, [data.join("secret"), data.join("access_secret")]);
        for path in &first.generated {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let second = resolve(&Config::default(), &data, false).unwrap();
        assert_eq!(second.secret, first.secret);
        assert_eq!(second.access_secret, first.access_secret);
        assert!(second.generated.is_empty() && second.warnings.is_empty(), "{second:?}");
        let left: Vec<_> = fs::read_dir(&data).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn what_is_configured_is_used_and_nothing_is_made() {
        let dir = with_files(Some("from the file"), None);
        let mut config = Config { secret: Secret::new("configured"), ..Config::default() };
        config.tokenpolicy.access_secret = Secret::new("too");
        let secrets = resolve(&config, dir.path(), false).unwrap();
        assert_eq!(secrets.secret.expose(), "configured");
        assert_eq!(secrets.access_secret.expose(), "too");
        assert!(secrets.generated.is_empty());
        assert!(!dir.path().join("access_secret").exists());
    }

    #[test]
    fn one_secret_may_be_an_operators_and_the_other_made() {
        let dir = with_files(Some("  by hand \n"), None);
        let secrets = resolve(&Config::default(), dir.path(), false).unwrap();
        assert_eq!(secrets.secret.expose(), "by hand");
        assert_eq!(secrets.generated, [dir.path().join("access_secret")]);
    }

    #[test]
    fn beside_data_none_is_made() {
        for (secret, access_secret, missing, key) in [
            (None, Some("a"), "/secret:", "set secret,"),
            (Some("s"), None, "/access_secret:", "set tokenpolicy.accessSecret,"),
        ] {
            let dir = with_files(secret, access_secret);
            let said = resolve(&Config::default(), dir.path(), true).unwrap_err().to_string();
            assert!(said.contains(missing) && said.contains(key), "{said}");
            assert!(said.contains("backup") && said.lines().count() == 1, "{said}");
            assert!(!dir.path().join(missing.trim_matches(['/', ':'])).exists());
        }
        let dir = with_files(Some("s"), Some("a"));
        assert!(resolve(&Config::default(), dir.path(), true).is_ok());
    }

    #[test]
    fn a_draft_left_by_a_crash_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret.new"), "half").unwrap();
        let secrets = resolve(&Config::default(), dir.path(), false).unwrap();
        assert_eq!(secrets.generated.len(), 2);
        assert!(!dir.path().join("secret.new").exists());
    }

    #[test]
    fn a_file_open_to_others_is_warned_of() {
        let dir = with_files(Some("one that is long"), Some("another that is long"));
        let path = dir.path().join("access_secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let warnings = resolve(&Config::default(), dir.path(), false).unwrap().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("access_secret") && warnings[0].contains("640"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_file_that_was_cut_is_warned_of() {
        let dir = with_files(Some("one that is long"), Some("3f9a"));
        let warnings = resolve(&Config::default(), dir.path(), true).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("access_secret: the secret in it has 4 characters"));
        assert!(!warnings[0].contains("3f9a"), "it is not shown");
    }

    #[test]
    fn files_without_a_secret_are_named_and_never_shown() {
        let long = "x".repeat(33);
        for (text, reason) in [
            ("", "empty"),
            (" \n ", "empty"),
            ("top\nsecret", "more than one line"),
            (&*long, "longer"),
            (&*"\0".repeat(20), "not text"),
        ] {
            let dir = with_files(Some(text), None);
            let said = resolve(&Config::default(), dir.path(), false).unwrap_err().to_string();
            assert!(said.contains(reason) && said.contains("/secret:"), "{said}");
            assert!(!said.contains("top") && !said.contains("xxx"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[test]
    fn a_data_directory_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = resolve(&Config::default(), file.path(), false).unwrap_err().to_string();
        assert!(said.contains(file.path().to_str().unwrap()), "{said}");
    }
}
