//! `openim support`: what somebody needs who helps from afar, in a folder.
//!
//! In: settings, data directory, a running server if there is one. Out: files of text. Bounded: the newest lines of the log.
//! Never: bodies of messages, tokens or secrets. Nothing that is taken has them; should one be there all the same, it is masked:
//! every secret that is known here, and whatever looks like a token.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use openim_config::{Config, Loaded, Secret};

use crate::configured::{Question, answer};
use crate::doctor::{Patient, told};
use crate::line::timestamp;
use crate::visit::Place;
use crate::{console, secrets};

/// Lines of the log, and bytes of it, at most.
const LOG_LINES: usize = 2_000;
const LOG_BYTES: u64 = 4 << 20;
const MASK: &str = "***";
/// Tokens begin with it, and no other word does.
const TOKEN: &str = "eyJ";
/// Shorter words are no secrets, and stand everywhere.
const SECRET_BYTES_MIN: usize = 4;

/// Writes the folder, `dir` or one with the time in its name, and says what is in it.
///
/// # Errors
/// One line: it cannot be written.
pub fn run(dir: Option<PathBuf>, loaded: &Loaded, data_dir: &Path) -> anyhow::Result<()> {
    let second = timestamp(SystemTime::now()).chars().take(19).collect::<String>();
    let named = || PathBuf::from(format!("openim-support-{}", second.replace(['-', ':'], "")));
    let dir = dir.unwrap_or_else(named);
    let failed = || format!("cannot write {}", dir.display());
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).with_context(failed)?;
    let masks = Masks::of(loaded, data_dir);
    let parts = [
        ("version.txt", version()),
        ("config.txt", answer(loaded, &Question::Effective { all: true }, false)),
        ("doctor.txt", doctor(loaded, data_dir)),
        ("readyz.txt", asked(&loaded.config, "/readyz")),
        ("healthz.txt", asked(&loaded.config, "/healthz")),
        ("metrics.txt", asked(&loaded.config, "/metrics")),
        ("log.txt", log(&loaded.config)),
    ];
    for (name, text) in &parts {
        let mut options = OpenOptions::new();
        // What is there already is somebody's, and may be readable by others.
        let options = options.write(true).create_new(true).mode(0o600);
        let path = dir.join(name);
        let mut file = options.open(&path).with_context(|| {
            format!("cannot write {} (name a folder of its own)", path.display())
        })?;
        file.write_all(masks.mask(text).as_bytes()).with_context(failed)?;
    }
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    console::print(&format!(
        "{}: {}; no bodies of messages, tokens or secrets; the log names users and addresses\n",
        dir.display(),
        names.join(", ")
    ))
}

fn version() -> String {
    let kernel = fs::read_to_string("/proc/version").unwrap_or_default();
    let cluster = if cfg!(feature = "cluster") { "with" } else { "without" };
    let (version, revision) = (env!("CARGO_PKG_VERSION"), crate::REVISION);
    format!("openim {version} ({revision}), {cluster} the cluster engine\n{}\n", kernel.trim())
}

fn doctor(loaded: &Loaded, data_dir: &Path) -> String {
    let patient = Patient { loaded, data_dir, through: None, ca: None };
    told(&patient, false).map_or_else(|error| format!("{error:#}\n"), |(text, _)| text)
}

/// What the operators' port says, or why it does not.
fn asked(config: &Config, path: &str) -> String {
    let place = match Place::of_operators(config) {
        Ok(place) => place,
        Err(why) => return format!("{why}\n"),
    };
    match place.call("GET", path, &[], b"") {
        Ok(answer) => format!("# status {}\n{}", answer.status, answer.text()),
        Err(cause) => format!("# {} does not answer: {cause}\n", place.url()),
    }
}

/// The newest lines of the newest file of the log.
fn log(config: &Config) -> String {
    let folder = &config.log.storage_location;
    if folder.as_os_str().is_empty() {
        return "# log.storageLocation is empty: the log went to standard error\n".to_owned();
    }
    let newest = || {
        let files = fs::read_dir(folder)?.filter_map(Result::ok).filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("openim.") && name.ends_with(".log")
        });
        let dated =
            files.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry)));
        Ok(dated.max_by_key(|(at, _)| *at).map(|(_, entry)| entry.path()))
    };
    match newest() {
        Ok(Some(path)) => {
            end_of(&path).unwrap_or_else(|cause| format!("# {}: {cause}\n", path.display()))
        }
        Ok(None) => format!("# {}: no log is here\n", folder.display()),
        Err::<_, std::io::Error>(cause) => format!("# {}: {cause}\n", folder.display()),
    }
}

fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    Ok(format!("# {}\n{last}\n", path.display()))
}

/// What nobody is shown.
struct Masks(Vec<Secret>);

impl Masks {
    fn of(loaded: &Loaded, data_dir: &Path) -> Self {
        let mut known = loaded.secrets();
        known.extend(secrets::all_kept(data_dir));
        known.retain(|secret| secret.expose().len() >= SECRET_BYTES_MIN);
        // One that has another one in it goes first.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self(known)
    }

    fn mask(&self, text: &str) -> String {
        let masked =
            self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MASK));
        without_tokens(&masked)
    }
}

fn without_tokens(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-_.+/=".contains(char);
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(TOKEN) {
        shown.push_str(&rest[..at]);
        let behind = &rest[at..];
        let end = behind.find(|char| !is_part(char)).unwrap_or(behind.len());
        shown.push_str(MASK);
        rest = &behind[end..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_tokens_are_masked() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("access_secret"), "kept-in-a-file\n").unwrap();
        let loaded =
            openim_config::parse("secret: abc\nweb:\n  key: configured", std::iter::empty());
        let masks = Masks::of(&loaded.unwrap(), dir.path());
        let text = "a configured b kept-in-a-file c eyJhbGciOiJI.eyJ1aWQi.x-_y, abc eyJ";
        assert_eq!(masks.mask(text), "a *** b *** c ***, abc ***");
    }

    #[test]
    fn the_end_of_a_log_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = (0..LOG_LINES + 5).map(|number| format!("line {number}\n")).collect();
        fs::write(dir.path().join("openim.2021-06-01.log"), lines).unwrap();
        let mut config = Config::default();
        assert!(log(&config).contains("standard error"));
        config.log.storage_location = dir.path().to_owned();
        let text = log(&config);
        assert!(text.contains("\nline 5\n") && !text.contains("\nline 4\n"), "{text}");
        assert!(text.ends_with(&format!("line {}\n", LOG_LINES + 4)));
        config.log.storage_location = dir.path().join("none");
        assert!(log(&config).starts_with("# "));
    }
}
