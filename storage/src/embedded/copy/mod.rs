//! Copies of a data directory: what they are made from, and what they are.
//!
//! In: a [`Source`], which is a running server or a stopped one's directory ([`Stopped`]). Out of it come bases and the log's
//! bytes, of which only what is durable there. Whoever takes them checks every checksum ([`check`]) before it writes.
//! Never: anything that is kept back at the source; what it has removed is gone, and the copy goes on behind it.

mod bases;
pub mod check;
mod inboxes;
mod manifest;
mod origin;
mod reading;
mod restore;
mod take;
mod told;
mod verify;

use std::fmt;
use std::io;
use std::path::Path;

pub use manifest::{KeptBase, Manifest, Stretch};
pub use origin::{Origin, Span, Stopped};
pub use restore::{Moment, Restored, restore};
pub use take::{Copy, Step};
pub use verify::{Verified, verify};

use super::data_dir;
use super::epochs::Epochs;
use super::error::{OpenError, io_error};
use super::sys;
use crate::port::StoreError;

/// Small files of the program beside the engine's, without which a data directory cannot be used: they go with copies.
pub const KEPT: [&str; 5] =
    ["secret", "access_secret", "admin_secret", "chat_key", "console_password"];

/// Bytes of the log or of a base in one answer, unless a batch is larger.
pub const PART_BYTES: u64 = 4 << 20;
/// The largest part that is ever asked for: a batch is smaller.
pub const PART_BYTES_MAX: u64 = (1 << 30) + (1 << 20);

/// What a source says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The file `format`: form, partitions, the random number of the data.
    pub format: String,
    /// The epochs of the log.
    pub epochs: Epochs,
    /// The log is there from here on.
    pub first: u64,
    /// It is durable up to here.
    pub durable: u64,
    /// When that was looked up, unix milliseconds: what was acknowledged before is durable.
    pub time_ms: i64,
    /// The base that is there.
    pub base: Option<BaseAbout>,
    /// Those of [`KEPT`] that are there, each with its text.
    pub kept: Vec<(String, String)>,
}

impl About {
    /// The random number of the data, which is in all its checksums.
    ///
    /// # Errors
    /// What is wrong with [`Self::format`].
    pub fn salt(&self) -> Result<u64, &'static str> {
        data_dir::salt_in(&self.format).map(|salt| salt.0)
    }
}

/// Whether a directory is a copy.
pub(super) fn is_one(dir: &Path) -> bool {
    manifest::path(dir).exists()
}

/// The random number of the data that the copy in `dir` is of; `None` where there is none.
fn salt_of(dir: &Path) -> Result<Option<u64>, OpenError> {
    let file = dir.join("format");
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(io_error(format!("reading {}", file.display())))?,
    };
    match data_dir::salt_in(&text) {
        Ok(salt) => Ok(Some(salt.0)),
        Err(what) => Err(OpenError::Format { file, what: what.to_owned() }),
    }
}

/// What a source says of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseAbout {
    /// Every record of rows below is in it; tells bases apart.
    pub through: u64,
    /// Whoever goes on from it needs the log from here on.
    pub low: u64,
    /// Its length.
    pub bytes: u64,
}

/// What comes with bytes of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Where the segment begins that they are of.
    pub segment: u64,
    /// See [`About::durable`].
    pub durable: u64,
    /// See [`About::time_ms`].
    pub time_ms: i64,
    /// [`BaseAbout::through`] of the base that is there now; 0 where there is none.
    pub base: u64,
}

/// What a copy is made from.
pub trait Source {
    /// What it says of itself.
    ///
    /// # Errors
    /// [`SourceError`].
    fn about(&mut self) -> Result<About, SourceError>;

    /// Puts bytes of the log from position `from` on into `into` (cleared first), of one segment, `bytes_max` at most,
    /// and none where there is nothing behind `from` for `wait_ms`. To ask from somewhere says that everything before is
    /// durable at the asker.
    ///
    /// # Errors
    /// [`SourceError`].
    fn log(
        &mut self,
        from: u64,
        bytes_max: u64,
        wait_ms: u64,
        into: &mut Vec<u8>,
    ) -> Result<Part, SourceError>;

    /// The same of the base that has this `through`.
    ///
    /// # Errors
    /// [`SourceError`].
    fn base(&mut self, through: u64, from: u64, into: &mut Vec<u8>) -> Result<(), SourceError>;
}

/// Why a source gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It has removed that: behind it the log goes on at `first`; or the base is another one.
    #[error("the source has removed that; its log goes on at {first}")]
    Gone {
        /// Where the next segment begins.
        first: u64,
    },
    /// Its log ends before that.
    #[error("the log of the source ends at {durable}")]
    Ahead {
        /// See [`About::durable`].
        durable: u64,
    },
    /// It cannot be reached, or is not ready; another time it may be.
    #[error("{0}")]
    Away(String),
    /// It refuses, or is none.
    #[error("{0}")]
    Refused(String),
    /// It cannot read what it has.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, durable, time_ms, base } = self;
        write!(f, "{segment} {durable} {time_ms} {base}")
    }
}

/// Why a copy is not made, checked or used, in one line an operator can act on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source gives nothing.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The copy's disk has no room.
    #[error(
        "the disk of {dir} is full ({what}); free some space there and run it again: it goes on where it is"
    )]
    Full {
        /// The copy.
        dir: String,
        /// What was being done.
        what: String,
    },
    /// The copy's files cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The source has damage in its log.
    #[error(
        "{what}; nothing of it was written. A server that is stopped is looked through by openim verify; copies that had it whole go on"
    )]
    Damaged {
        /// Where, and what.
        what: String,
    },
    /// It will not do.
    #[error("{0}")]
    Refused(String),
}

impl CopyError {
    /// Whether another try may do: the source cannot be reached now.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Source(SourceError::Away(_)))
    }

    /// Says what was being done in `dir` when the system refused.
    fn io(dir: &Path, what: String) -> impl FnOnce(io::Error) -> Self + use<> {
        let dir = dir.display().to_string();
        move |cause| match sys::is_no_space(&cause) {
            true => Self::Full { dir, what },
            false => Self::Open(io_error(what)(cause).into()),
        }
    }
}
