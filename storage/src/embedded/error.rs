//! Why the engine cannot open, in one line an operator can act on.

use std::io;
use std::path::PathBuf;

use super::sys;
use crate::port::{Spot, StoreError};

/// What to do where parts of the data do not go together.
pub(super) const RESTORE: &str = "restore the whole data directory from one backup";

/// What to say where the index in the data directory `dir` cannot be opened, and its engine does not say which
/// file is at fault.
pub(super) fn damaged(dir: &std::path::Path) -> String {
    let index = dir.join("index");
    format!(
        "{} cannot be opened; if one of its files is damaged or missing, {RESTORE}",
        index.display()
    )
}

/// The data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("data directory {dir} is in use by {holder}; stop that process or choose another directory", dir = dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who has it, as far as known.
        holder: String,
    },
    /// A setting that is fixed at the first start was changed.
    #[error(
        "{file}: this data was written with {key} = {stored}, now {key} = {wanted} is asked for; \
         it cannot change later: set it back, or start with an empty directory",
        file = file.display()
    )]
    Fixed {
        /// The file that says so.
        file: PathBuf,
        /// Which setting.
        key: &'static str,
        /// Its stored value.
        stored: String,
        /// The value asked for.
        wanted: String,
    },
    /// The data has a form that only a later version of the program knows.
    #[error(
        "{file}: this data was written by a newer version of openim (form {stored}, this one knows form \
         {known}): run that version, or a newer one; nothing was changed",
        file = file.display()
    )]
    Newer {
        /// The file that says so.
        file: PathBuf,
        /// The form of the data.
        stored: u64,
        /// The latest form known here.
        known: u64,
    },
    /// This user may not use the directory.
    #[error(
        "embedded.dataDir: {dir} cannot be used by this user ({what}: {cause}); give it and all in it to the \
         server's user (chown -R), or choose another directory (--data-dir)",
        dir = dir.display()
    )]
    NotAllowed {
        /// The data directory.
        dir: PathBuf,
        /// What was being done.
        what: String,
        /// The system's reason.
        cause: String,
    },
    /// There is something else in the place of the directory.
    #[error(
        "embedded.dataDir: {dir} cannot be a directory ({cause}); choose another (--data-dir)",
        dir = dir.display()
    )]
    NoDirectory {
        /// The place.
        dir: PathBuf,
        /// The system's reason.
        cause: String,
    },
    /// The format file is missing or cannot be understood.
    #[error("{file}: {what}", file = file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A part of the data is missing, damaged, or of another time than the rest.
    #[error("{file}: {what}", file = file.display())]
    Lost {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Another server goes on with the log of this one.
    #[error(
        "{file}: {why}; start this one as its standby: openim standby --of URL --data-dir DIR",
        file = file.display()
    )]
    Fenced {
        /// The note.
        file: PathBuf,
        /// Which epoch began where.
        why: String,
    },
    /// It is a copy, which must stay what it is.
    #[error(
        "{dir} is a copy made by openim backup, and no server runs on it; make a data directory from it: openim restore {dir} \
         --data-dir NEW",
        dir = dir.display()
    )]
    Copy {
        /// The directory.
        dir: PathBuf,
    },
    /// It follows another server.
    #[error(
        "{file}: this directory follows {of}: openim standby --of {of} goes on with that, and openim promote has it serve",
        file = file.display()
    )]
    Follows {
        /// The note.
        file: PathBuf,
        /// Whom.
        of: String,
    },
    /// No room to start.
    #[error("the disk of {dir} is full ({what}); free some space and start again", dir = dir.display())]
    DiskFull {
        /// The data directory.
        dir: PathBuf,
        /// What was being done.
        what: String,
    },
    /// The stored bytes or the device.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Whether it is about the index in `dir`, which can be made anew; not where only the system refuses something.
    pub(super) fn is_of_index(&self, dir: &std::path::Path) -> bool {
        match self {
            Self::Lost { file, .. } => file.starts_with(dir.join("index")),
            Self::Store(error) => is_damaged_index(error),
            _ => false,
        }
    }

    /// Whether the device failed, which says nothing of what is on it.
    pub(super) fn is_of_device(&self) -> bool {
        let Self::Store(StoreError::Corrupt { cause, .. }) = self else { return false };
        match cause.downcast_ref() {
            Some(fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) => {
                sys::is_unreadable(error)
            }
            other => matches!(other, Some(fjall::Error::Poisoned)),
        }
    }

    /// As a line without what an operator should do about it.
    pub(super) fn in_short(&self) -> String {
        let line = self.to_string();
        let advice = [
            format!("; {RESTORE}"),
            format!("; if one of its files is damaged or missing, {RESTORE}"),
        ];
        advice.iter().fold(line, |line, advice| line.replace(advice.as_str(), ""))
    }

    /// Gives its own words to what operators meet: a full disk, a directory of another user, data of a
    /// newer version.
    pub(super) fn named(self, dir: &std::path::Path) -> Self {
        let dir_owned = || dir.to_owned();
        match self {
            Self::Fixed { file, key: "version", stored, wanted }
                if number(&stored) > number(&wanted) =>
            {
                Self::Newer { file, stored: number(&stored), known: number(&wanted) }
            }
            Self::Store(
                StoreError::Unavailable { what, cause }
                | StoreError::Corrupt { place: Spot::Engine(what), cause },
            ) if any_cause(&*cause, is_not_allowed, "PermissionDenied") => {
                Self::NotAllowed { dir: dir_owned(), what, cause: cause.to_string() }
            }
            Self::Store(StoreError::Unavailable { what, cause })
                if any_cause(&*cause, is_no_directory, "NotADirectory")
                    || what.starts_with(MAKING) =>
            {
                Self::NoDirectory { dir: dir_owned(), cause: cause.to_string() }
            }
            Self::Store(
                StoreError::Unavailable { what, cause }
                | StoreError::Corrupt { place: Spot::Engine(what), cause },
            ) if any_cause(&*cause, sys::is_no_space, "StorageFull") => {
                Self::DiskFull { dir: dir.to_owned(), what }
            }
            other => other,
        }
    }
}

/// Whether an error says that the index holds something that was not written there, or lacks something.
pub(super) fn is_damaged_index(error: &StoreError) -> bool {
    use io::ErrorKind as Kind;
    let StoreError::Corrupt { place, cause } = error else { return false };
    if let Spot::Key(key) = place {
        return key.starts_with(INDEX_KEY);
    }
    let cause: &(dyn std::error::Error + 'static) = &**cause;
    let damage = match cause.downcast_ref() {
        Some(fjall::Error::Locked | fjall::Error::Poisoned) | None => return false,
        Some(fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) => {
            let kinds =
                [Kind::NotFound, Kind::UnexpectedEof, Kind::InvalidData, Kind::InvalidInput];
            kinds.contains(&error.kind()) || sys::is_unreadable(error)
        }
        Some(_) => true,
    };
    damage
        && !any_cause(cause, is_not_allowed, "PermissionDenied")
        && !any_cause(cause, sys::is_no_space, "StorageFull")
}

/// Whether an error says what reading the index met.
pub(super) fn is_of_index(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { place: Spot::Key(key), .. } => key.starts_with(INDEX_KEY),
        StoreError::Corrupt { cause, .. } => cause.downcast_ref::<fjall::Error>().is_some(),
        _ => false,
    }
}

/// How the making of the data directory is called where it fails.
pub(super) const MAKING: &str = "making data directory";

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn is_not_allowed(cause: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(cause.kind(), Kind::PermissionDenied | Kind::ReadOnlyFilesystem)
}

fn is_no_directory(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists)
}

/// Whether the system's error that is behind a cause is of one kind, or is called so.
fn any_cause(
    cause: &(dyn std::error::Error + 'static),
    is: impl Fn(&io::Error) -> bool,
    name: &str,
) -> bool {
    let mut causes = std::iter::successors(Some(cause), |error| error.source());
    causes.any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(&is)
            // The engine wraps some of the system's errors without naming them as their source.
            || format!("{error:?}").contains(name)
    })
}

/// Says what was being done when the device failed.
pub(super) fn io_error(what: String) -> impl FnOnce(io::Error) -> StoreError {
    move |cause| StoreError::Unavailable { what, cause: Box::new(cause) }
}

/// Says what was being done when the index failed; a full or failing device stays recognisable. Only a start
/// finds out what such an index holds.
pub(super) fn index_error(what: &'static str) -> impl Fn(fjall::Error) -> StoreError {
    let place = || Spot::Engine(what.to_owned());
    move |cause| StoreError::Corrupt { place: place(), cause: Box::new(cause) }
}

/// What places in the index begin with.
const INDEX_KEY: &str = "index/";

/// A table of the index holds something that this build cannot have written.
pub(super) fn index_corrupt(table: &str, what: &str) -> StoreError {
    StoreError::Corrupt { place: Spot::Key(format!("{INDEX_KEY}{table}")), cause: what.into() }
}
