//! Why the engine cannot open, in one line an operator can act on.

use std::io;
use std::path::PathBuf;

use super::sys;
use crate::port::StoreError;

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
    /// The format file is missing or cannot be understood.
    #[error("{file}: {what}", file = file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        what: String,
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
    /// Gives a full disk its own words.
    pub(super) fn named(self, dir: &std::path::Path) -> Self {
        match self {
            Self::Store(StoreError::Io { what, cause }) if sys::is_no_space(&cause) => {
                Self::DiskFull { dir: dir.to_owned(), what }
            }
            Self::Store(StoreError::Engine { what, cause }) if engine_is_full(&*cause) => {
                Self::DiskFull { dir: dir.to_owned(), what }
            }
            other => other,
        }
    }
}

fn engine_is_full(cause: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(cause);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(sys::is_no_space) {
            return true;
        }
        // The engine wraps some of the system's errors without naming them as their source.
        if format!("{error:?}").contains("StorageFull") {
            return true;
        }
        next = error.source();
    }
    false
}

/// Says what was being done when the device failed.
pub(super) fn io_error(what: String) -> impl FnOnce(io::Error) -> StoreError {
    move |cause| StoreError::Io { what, cause }
}

/// Says what was being done when the index failed; a full or failing device stays recognisable.
pub(super) fn index_error(what: &'static str) -> impl Fn(fjall::Error) -> StoreError {
    move |cause| StoreError::Engine { what: what.to_owned(), cause: Box::new(cause) }
}

/// A table of the index holds something that this build cannot have written.
pub(super) fn index_corrupt(table: &str, what: &str) -> StoreError {
    StoreError::Corrupt { file: format!("index/{table}"), offset: 0, what: what.to_owned() }
}
