//! A data directory that follows another server's: the same log, byte by byte, and an index that is fed from it, as a start
//! feeds it. On a promotion it has an epoch of its own, and the next opening serves from it.
//!
//! In: a [`Source`] of the other server. Out: how far it has come. What is here is durable before more is asked for, so the
//! position that is asked from is one that a promotion keeps. Inboxes are the caller's to apply, as at a start.
//! Never: a record of its own before the promotion, or one of the other server's that was written behind that.
//!
//! ```text
//! new:     note taking; format, secrets; base; log; commits; note following; open
//! promote: note promoting; epochs; note promoted; open
//! old one: note taking; what it wrote beyond set aside; as new, with the log that both have
//! ```
//! Each step is durable before the next, and what a crash cuts short is begun again.

mod aside;
mod note;
mod taking;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::copy::{About, PART_BYTES, PART_BYTES_MAX, Source, SourceError};
use super::data_dir::Lock;
use super::epochs::{Begun, Epochs};
use super::error::OpenError;
use super::fence;
use super::log::{FollowError, Writer};
use super::open::{Embedded, open_following};
use super::options::Options;
use crate::port::StoreError;

pub use aside::Aside;
pub(super) use note::refuse;
pub use note::{Note, Stage};
pub use taking::{Told, refuse_copy, take};

/// A directory that follows, open.
pub struct Standby {
    /// The engine. Nothing is to be written with it.
    pub storage: Embedded,
    dir: PathBuf,
    of: String,
    writer: Arc<Mutex<Writer>>,
    /// Of the source, as far as known.
    theirs: Epochs,
    buffer: Vec<u8>,
    wants: u64,
}

/// Nobody else has the directory, also while it is closed.
pub struct Held(Arc<Lock>);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Everything before is durable here.
    pub at: u64,
    /// The source's log was durable up to here.
    pub durable: u64,
}

/// How the log here stands to the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is a part of it, and goes on with more.
    Part,
    /// It went on beyond where an epoch of the source begins.
    Beyond,
    /// It has an epoch more than the source: the source is the one that was replaced.
    Newer,
    /// Both have epochs that the other one lacks.
    Parted,
}

/// Why more does not come.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// The source does not give it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The directory cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is here fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came is not what was written there.
    #[error("{0}")]
    Wrong(String),
    /// The log does not connect with the source's any more: it is to be taken anew.
    #[error("the source's log does not connect with what is here any more: {0}")]
    Apart(String),
    /// The data in the directory is other data.
    #[error("{0}")]
    Other(String),
}

impl From<FollowError> for StandbyError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Store(error) => Self::Store(error),
            FollowError::Wrong { .. } => Self::Wrong(error.to_string()),
        }
    }
}

/// How a log with these epochs, which ends at `end`, stands to one with those of a source.
fn standing(own: &Epochs, end: u64, theirs: &Epochs) -> Standing {
    match own.part_from(theirs) {
        None => Standing::Part,
        Some(_) if theirs.are_continued_by(own) => Standing::Newer,
        Some(from) if own.are_continued_by(theirs) && end <= from => Standing::Part,
        Some(_) if own.are_continued_by(theirs) => Standing::Beyond,
        Some(_) => Standing::Parted,
    }
}

impl Standby {
    /// Opens a directory that follows ([`Stage::Following`]); `None` where it does not, or not yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, options: &Options) -> Result<Option<Self>, OpenError> {
        Self::open_in(dir, options, None)
    }

    /// The same, of a directory that was open ([`Self::held`]) and has been dropped.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_again(
        held: &Held,
        dir: &Path,
        options: &Options,
    ) -> Result<Option<Self>, OpenError> {
        Self::open_in(dir, options, Some(Arc::clone(&held.0)))
    }

    fn open_in(
        dir: &Path,
        options: &Options,
        held: Option<Arc<Lock>>,
    ) -> Result<Option<Self>, OpenError> {
        let Some(note) = Note::read(dir)?.filter(|note| note.stage == Stage::Following) else {
            return Ok(None);
        };
        let partitions = super::data_dir::partitions(dir)?.unwrap_or(options.partitions);
        let storage = open_following(dir, &Options { partitions, ..options.clone() }, held)?;
        // Who follows waits for no index: it closes all and opens it again.
        storage.mend.end();
        let writer = Arc::clone(storage.log.writer());
        let theirs = storage.fence.epochs();
        let (dir, of) = (dir.to_owned(), note.of);
        Ok(Some(Self { storage, dir, of, writer, theirs, buffer: Vec::new(), wants: 0 }))
    }

    /// Keeps the directory from everybody else while it is closed and opened again.
    #[must_use]
    pub fn held(&self) -> Held {
        Held(Arc::clone(self.storage.changes.lender().lock()))
    }

    /// Everything before is durable here.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.storage.log.segments().end()
    }

    /// Why what is here has to be closed and opened again, if so: the index takes nothing any more, or is damaged. The log may
    /// have more than the index by then, which an opening brings.
    #[must_use]
    pub fn gave_up(&self) -> Option<String> {
        self.storage.mend.gave_up()
    }

    /// How the log here stands to that of a source, whose epochs are taken over as the log comes to them.
    ///
    /// # Errors
    /// [`StandbyError::Other`] where it has other data.
    pub fn meet(&mut self, about: &About) -> Result<Standing, StandbyError> {
        taking::check_format(&self.dir, about)?;
        let standing = standing(&self.storage.fence.epochs(), self.at(), &about.epochs);
        if standing == Standing::Part {
            self.theirs.clone_from(&about.epochs);
        }
        Ok(standing)
    }

    /// Notes, durably, that this one follows the server `of`: a promotion is over that one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn follows(&mut self, of: &str) -> Result<(), StoreError> {
        if self.of != of {
            Note { of: of.to_owned(), stage: Stage::Following }.write(&self.dir)?;
            of.clone_into(&mut self.of);
        }
        Ok(())
    }

    /// Asks the source for more, waits up to `wait_ms` for it, and has it here durably, with its changes in the index.
    ///
    /// # Errors
    /// [`StandbyError`]; see [`Self::gave_up`] behind one.
    pub fn follow(
        &mut self,
        source: &mut dyn Source,
        wait_ms: u64,
    ) -> Result<Reached, StandbyError> {
        let from = self.at();
        let most = PART_BYTES.max(self.wants).min(PART_BYTES_MAX);
        let part = match source.log(from, most, wait_ms, &mut self.buffer) {
            Err(SourceError::Gone { first }) => {
                return Err(StandbyError::Apart(format!(
                    "it goes on at {first}, this one ends at {from}"
                )));
            }
            part => part?,
        };
        if self.buffer.is_empty() {
            return Ok(Reached { at: from, durable: part.durable });
        }
        if part.segment == from && self.theirs.at(from) != self.storage.fence.epochs().at(from) {
            self.storage.fence.take_over(&self.theirs.up_to(from))?;
        }
        let (writer, epochs) = (&self.writer, self.storage.fence.epochs());
        let (bytes, wants) = (&self.buffer, &mut self.wants);
        self.storage.changes.follow::<StandbyError>(|| {
            let followed = writer.lock().follow(&epochs, (part.segment, bytes), false)?;
            *wants = followed.wants;
            Ok(())
        })?;
        Ok(Reached { at: self.at(), durable: part.durable })
    }

    /// Has the log go on here under an epoch of its own, durably. The directory can be opened by a server when this is
    /// dropped, which is to tell the other one ([`Note::of`]).
    ///
    /// # Errors
    /// [`StoreError`]; to do it again does no harm.
    pub fn promote(self) -> Result<Begun, StoreError> {
        let note = |stage| Note { of: self.of.clone(), stage };
        note(Stage::Promoting).write(&self.dir)?;
        let begun = self.storage.fence.next_epoch()?;
        note(Stage::Promoted).write(&self.dir)?;
        Ok(begun)
    }
}

/// Goes on with a promotion that was cut short; which epoch begins.
///
/// # Errors
/// [`OpenError`].
pub fn promote_again(dir: &Path, options: &Options) -> Result<Option<Begun>, OpenError> {
    let Some(note) = Note::read(dir)?.filter(|note| note.stage == Stage::Promoting) else {
        return Ok(None);
    };
    Note { stage: Stage::Following, ..note }.write(dir)?;
    let standby = Standby::open(dir, options)?;
    Ok(standby.map(Standby::promote).transpose()?)
}

/// Whether the log in `dir` has an epoch that the source lacks: the source was replaced by the server here.
///
/// # Errors
/// [`OpenError`].
pub fn is_newer(dir: &Path, source: &About) -> Result<bool, OpenError> {
    Ok(source.epochs.are_continued_by(&Epochs::read(dir)?))
}

/// Whether a server may have `dir`: it was promoted, and no other one was promoted in its place since.
///
/// # Errors
/// [`OpenError`].
pub fn may_serve(dir: &Path) -> Result<bool, OpenError> {
    let fenced = fence::refuse(dir, &Epochs::read(dir)?).is_err();
    Ok(!fenced && refuse(dir).is_ok())
}

/// The other server knows that this one, which was promoted, goes on with its log.
///
/// # Errors
/// [`OpenError`].
pub fn is_told(dir: &Path) -> Result<(), OpenError> {
    match Note::read(dir)?.filter(|note| note.stage == Stage::Promoted) {
        Some(note) => Ok(Note { stage: Stage::Serving, ..note }.write(dir)?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::Salt;
    use super::*;

    #[test]
    fn how_two_logs_stand_to_each_other() {
        let none = Epochs::default();
        let one = none.with_next(Salt(7), 100);
        let two = one.with_next(Salt(7), 200);
        let other = one.with_next(Salt(7), 200);
        for (own, end, theirs, expected) in [
            (&none, 50, &none, Standing::Part),
            (&none, 100, &one, Standing::Part),
            (&none, 101, &one, Standing::Beyond),
            (&one, 150, &two, Standing::Part),
            (&one, 250, &two, Standing::Beyond),
            (&two, 250, &one, Standing::Newer),
            (&two, 250, &other, Standing::Parted),
        ] {
            assert_eq!(standing(own, end, theirs), expected);
        }
    }
}
