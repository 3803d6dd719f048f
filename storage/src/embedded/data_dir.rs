//! The data directory: who has it, and what about it never changes.
//!
//! Owns `<data>/lock` (held for the life of the process) and `<data>/format` (written once).

use std::collections::hash_map::RandomState;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openim_record::{Placement, Position};

use super::copy;
use super::epochs::Epochs;
use super::error::{MAKING, OpenError, io_error};
use super::log::{Salt, sync_dir};

/// The form of the data. Earlier ones are taken over: version 2 had changes of users, tokens, relations, groups and
/// options in its index alone, and version 1 had no note of commits either.
const VERSION: u32 = 3;
const OLDEST: u32 = 1;
pub(super) const TITLE: &str = "openim data, written by the server; do not edit";

/// Nobody else has the directory until this is dropped.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said, for closing alone leaves it to a child that is forked but not yet a program of its own.
        let _closing_does = self.0.unlock();
    }
}

/// The data directory, locked.
#[derive(Clone)]
pub(super) struct DataDir {
    pub(super) lock: Arc<Lock>,
    pub(super) placement: Placement,
    pub(super) salt: Salt,
    pub(super) epochs: Epochs,
    format: Format,
}

impl DataDir {
    /// Whether the data has a form before this one.
    pub(super) const fn is_older_form(&self) -> bool {
        self.format.version < VERSION
    }

    /// Whether it is the first one.
    pub(super) const fn is_first_form(&self) -> bool {
        self.format.version == OLDEST
    }

    /// From which position on the log has changes, where not from its beginning: what was before is in the index and the
    /// base alone.
    pub(super) const fn changes_from(&self) -> Option<u64> {
        self.format.changes_from
    }

    /// The same, which has the form of this version from where its log ends now, if it did not have it.
    pub(super) fn raised(&self, end: Position) -> Self {
        let mut raised = self.clone();
        if self.is_older_form() {
            (raised.format.version, raised.format.changes_from) = (VERSION, Some(end.0));
        }
        raised
    }

    /// Says what this is, durably.
    pub(super) fn write_form(&self, dir: &Path) -> Result<(), OpenError> {
        self.format.write(dir, &dir.join("format"))
    }
}

/// Makes `dir` where needed, locks it, unless it is `held`, and reads or writes what never changes.
pub(super) fn enter(
    dir: &Path,
    partitions: u16,
    held: Option<Arc<Lock>>,
) -> Result<DataDir, OpenError> {
    if copy::is_one(dir) {
        return Err(OpenError::Copy { dir: dir.to_owned() });
    }
    make_private(dir).map_err(io_error(format!("{MAKING} {}", dir.display())))?;
    let lock = held.map_or_else(|| lock(dir).map(Arc::new), Ok)?;
    let file = dir.join("format");
    let wanted = Placement::new(partitions);
    let format = match read_format(&file)? {
        Some(format) => format,
        None => {
            refuse_orphans(dir, &file)?;
            let format = Format::new(wanted);
            format.write(dir, &file)?;
            format
        }
    };
    format.check(&file, wanted)?;
    let epochs = Epochs::read(dir)?;
    Ok(DataDir { lock, placement: wanted, salt: Salt(format.salt), epochs, format })
}

/// Locks `dir` for a tool that only reads there; `None` where there is no data.
pub(super) fn visit(dir: &Path) -> Result<Option<(Lock, Salt)>, OpenError> {
    let file = dir.join("format");
    if read_format(&file)?.is_none() {
        return Ok(None);
    }
    let lock = lock(dir)?;
    let format = read_format(&file)?;
    let Some(format) = format else { return Ok(None) };
    format.check_form(&file)?;
    Ok(Some((lock, Salt(format.salt))))
}

/// Whether a process has the data in `dir`.
pub fn is_in_use(dir: &Path) -> Result<bool, OpenError> {
    holder(dir).map(|holder| holder.is_some())
}

/// Which process has the data in `dir`, in words; `None` where none has it.
pub fn holder(dir: &Path) -> Result<Option<String>, OpenError> {
    match lock(dir) {
        Ok(_free) => Ok(None),
        Err(OpenError::Locked { holder, .. }) => Ok(Some(holder)),
        Err(error) => Err(error),
    }
}

/// What checksums in `dir` begin with, for a tool that reads beside a server; `None` where there is no data.
pub(super) fn glance(dir: &Path) -> Result<Option<Salt>, OpenError> {
    let file = dir.join("format");
    let Some(format) = read_format(&file)? else { return Ok(None) };
    format.check_form(&file)?;
    Ok(Some(Salt(format.salt)))
}

/// Whether the data in `dir` has a form before this one, or cannot be told to have this one.
pub(super) fn is_older_form(dir: &Path) -> bool {
    let format = read_format(&dir.join("format"));
    format.ok().flatten().is_none_or(|format| format.version < VERSION)
}

/// The partitions of the data in `dir`; `None` where there is none.
pub(super) fn partitions(dir: &Path) -> Result<Option<u16>, OpenError> {
    Ok(read_format(&dir.join("format"))?.map(|format| format.partitions))
}

/// The salt that the text of a `format` file names; what is wrong with it else.
pub(super) fn salt_in(text: &str) -> Result<Salt, &'static str> {
    Format::parse(text).map(|format| Salt(format.salt))
}

fn read_format(file: &Path) -> Result<Option<Format>, OpenError> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(format!("reading {}", file.display()))(error).into()),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not text");
    let format = text.and_then(Format::parse).map_err(|what| OpenError::Format {
        file: file.to_owned(),
        what: format!("{what}; restore the file or the directory from a backup"),
    })?;
    Ok(Some(format))
}

/// Makes a directory that only its owner can read, durably; one that is there stays as it is.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    let made = !dir.is_dir();
    if made {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    // One that a start made which was cut short may have no durable name yet.
    let synced = sync_dir(parent.unwrap_or(Path::new(".")));
    if made { synced } else { Ok(()) }
}

/// A number that clients cannot know: the standard library seeds its hasher from the system.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join("lock");
    let failed = || io_error(format!("locking {}", path.display()));
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(failed())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let known = file.read_to_string(&mut text).is_ok();
            let holder = match text.trim() {
                pid if known && !pid.is_empty() => format!("process {pid}"),
                _ => "another process".to_owned(),
            };
            return Err(OpenError::Locked { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed()(error).into()),
    }
    // Only a hint for the message above: the lock itself goes away with the process.
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(failed())?;
    Ok(Lock(file))
}

/// Data without its format file must not be taken for an empty directory.
fn refuse_orphans(dir: &Path, file: &Path) -> Result<(), OpenError> {
    if ["log", "index", "commits"].iter().any(|part| dir.join(part).exists()) {
        return Err(OpenError::Format {
            file: file.to_owned(),
            what: "is missing, but there is data beside it; restore it from a backup".to_owned(),
        });
    }
    Ok(())
}

/// What is fixed at the first start.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Format {
    version: u32,
    partitions: u16,
    hash: String,
    salt: u64,
    /// Of data that an earlier version began: the log has no changes before.
    changes_from: Option<u64>,
}

impl Format {
    fn new(placement: Placement) -> Self {
        let salt = random();
        let hash = Placement::HASH.to_owned();
        let partitions = placement.partitions();
        Self { version: VERSION, partitions, hash, salt, changes_from: None }
    }

    fn text(&self) -> String {
        let Self { version, partitions, hash, salt, changes_from } = self;
        let from = changes_from.map(|from| format!("changes_from = {from}\n")).unwrap_or_default();
        let text = format!(
            "# {TITLE}\nversion = {version}\npartitions = {partitions}\nhash = {hash}\nsalt = {salt:016x}\n{from}"
        );
        let check = crc32c::crc32c(text.as_bytes());
        format!("{text}check = {check:08x}\n")
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            return Err("is empty");
        }
        let hash = String::new();
        let mut format = Self { version: 0, partitions: 0, hash, salt: 0, changes_from: None };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once(" = ").ok_or("has a line without a value")?;
            let read = match key {
                "version" => value.parse().map(|version| format.version = version).is_ok(),
                "partitions" => value.parse().map(|count| format.partitions = count).is_ok(),
                "changes_from" => {
                    value.parse().map(|from| format.changes_from = Some(from)).is_ok()
                }
                "salt" => u64::from_str_radix(value, 16).map(|salt| format.salt = salt).is_ok(),
                "hash" => {
                    value.clone_into(&mut format.hash);
                    true
                }
                // A later version may say more; its number is what counts.
                _ => true,
            };
            if !read {
                return Err("has a value that is no number");
            }
        }
        match format.version {
            // No version of the program writes such a file, and none would know its data.
            0 => Err("does not say which version wrote the data"),
            OLDEST..=VERSION if format.text() != text => Err("fails its checksum"),
            _ => Ok(format),
        }
    }

    fn write(&self, dir: &Path, file: &Path) -> Result<(), OpenError> {
        let temporary: PathBuf = dir.join("format.tmp");
        let write = || {
            let mut out = File::create(&temporary)?;
            out.write_all(self.text().as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&temporary, file)?;
            sync_dir(dir)
        };
        write().map_err(io_error(format!("writing {}", file.display())))?;
        Ok(())
    }

    /// Refuses data of another form.
    fn check_form(&self, file: &Path) -> Result<(), OpenError> {
        if (OLDEST..=VERSION).contains(&self.version) {
            return Ok(());
        }
        fixed(file, "version", self.version, VERSION)
    }

    /// Refuses data that was written with other settings.
    fn check(&self, file: &Path, wanted: Placement) -> Result<(), OpenError> {
        self.check_form(file)?;
        fixed(file, "hash", &self.hash, Placement::HASH)?;
        fixed(file, "partitions", self.partitions, wanted.partitions())
    }
}

fn fixed(
    file: &Path,
    key: &'static str,
    stored: impl ToString,
    wanted: impl ToString,
) -> Result<(), OpenError> {
    let (stored, wanted) = (stored.to_string(), wanted.to_string());
    if stored == wanted {
        return Ok(());
    }
    Err(OpenError::Fixed { file: file.to_owned(), key, stored, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_read_back_and_checked() {
        let format = Format::new(Placement::new(64));
        let text = format.text();
        assert_eq!(Format::parse(&text), Ok(format.clone()));
        let taken_over = Format { changes_from: Some(77), ..format };
        assert_eq!(Format::parse(&taken_over.text()), Ok(taken_over.clone()));
        assert!(Format::parse(&text.replace("partitions = 64", "partitions = 65")).is_err());
        for text in ["", "\n", "# a remark\n", "version = 0\n", &text.replace("version = 3\n", "")]
        {
            assert!(Format::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_directory_is_free_when_its_lock_is_dropped_whoever_has_the_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        // What a child has between fork and exec.
        let _inherited = held.0.try_clone().unwrap();
        assert!(matches!(lock(dir.path()), Err(OpenError::Locked { .. })));
        drop(held);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn salts_differ() {
        let placement = Placement::new(1);
        assert_ne!(Format::new(placement).salt, Format::new(placement).salt);
    }
}
