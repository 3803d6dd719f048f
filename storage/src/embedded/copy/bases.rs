//! Bases of a copy: taken a piece at a time beside the log, read through before they count.
//!
//! The first of each stretch stays, for all moments behind it; of the others the newest, which makes restores short.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::manifest::{KeptBase, base_path};
use super::take::Copy;
use super::{BaseAbout, CopyError, Source, SourceError};
use crate::embedded::base::file::{self, Wrong};
use crate::embedded::error::io_error;
use crate::embedded::index::STATE;
use crate::embedded::index::partitions::{THROUGH_KEY, decode_positions, decode_through};
use crate::embedded::log::{Salt, sync_dir};
use crate::port::{Spot, StoreError};

/// One that is being taken.
pub(super) struct Drafting {
    about: BaseAbout,
    file: File,
    at: u64,
}

impl Copy {
    fn draft(&self) -> PathBuf {
        self.dir.join("bases/draft.new")
    }

    /// Takes a piece of the base that the source has, if it is one that is not here; how many bytes.
    pub(super) fn step_base(
        &mut self,
        source: &mut dyn Source,
        through: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, CopyError> {
        let newest = self.manifest.bases.last().map_or(0, |base| base.through);
        if self.drafting.is_none() && through > newest {
            let Some(about) = source.about()?.base else { return Ok(0) };
            let first = self.manifest.stretches.last().map_or(0, |stretch| stretch.first);
            if about.low < first || about.through <= newest {
                return Ok(0);
            }
            let file = File::create(self.draft());
            let file = file.map_err(self.failed("beginning"))?;
            self.drafting = Some(Drafting { about, file, at: 0 });
        }
        let Some(Drafting { about, at, .. }) = &self.drafting else { return Ok(0) };
        match source.base(about.through, *at, bytes) {
            Err(SourceError::Gone { .. }) => {
                // There is a newer one by now.
                self.drafting = None;
                return Ok(0);
            }
            given => given?,
        }
        let failed = self.failed("writing");
        let Some(drafting) = &mut self.drafting else { return Ok(0) };
        drafting.file.write_all(bytes).map_err(failed)?;
        drafting.at += bytes.len() as u64;
        if bytes.is_empty() || drafting.at >= drafting.about.bytes {
            self.keep_base()?;
        }
        Ok(bytes.len() as u64)
    }

    /// The draft is whole: it gets its name, if it is what it says.
    fn keep_base(&mut self) -> Result<(), CopyError> {
        let Some(Drafting { about, file, .. }) = self.drafting.take() else { return Ok(()) };
        file.sync_all().map_err(self.failed("flushing"))?;
        let draft = self.draft();
        let upper = read_upper(&draft, Salt(self.salt), &mut |_, _, _| Ok(()));
        let Some(upper) = upper.map_err(SourceError::from)? else { return Ok(()) };
        let BaseAbout { through, low, bytes } = about;
        std::fs::rename(&draft, base_path(&self.dir, through))
            .and_then(|()| sync_dir(&self.dir.join("bases")))
            .map_err(self.failed("naming"))?;
        self.manifest.bases.push(KeptBase { through, low, upper, bytes });
        let gone = self.prune();
        self.note()?;
        for base in gone {
            // What the manifest does not name costs room only.
            drop(std::fs::remove_file(base_path(&self.dir, base.through)));
        }
        Ok(())
    }

    /// Leaves the first base of each stretch and the newest.
    fn prune(&mut self) -> Vec<KeptBase> {
        let (stretches, bases) = (self.manifest.stretches(), self.manifest.bases.clone());
        let first_of = |base: &KeptBase| {
            let stretch = stretches.iter().rfind(|stretch| stretch.first <= base.low);
            let first = bases.iter().find(|other| stretch.is_none_or(|s| s.first <= other.low));
            first == Some(base)
        };
        let newest = bases.last().copied();
        let (kept, gone): (Vec<_>, Vec<_>) =
            bases.iter().partition(|base| Some(**base) == newest || first_of(base));
        self.manifest.bases = kept;
        gone
    }

    fn failed(&self, doing: &str) -> impl FnOnce(std::io::Error) -> CopyError + use<> {
        CopyError::io(&self.dir, format!("{doing} {}", self.draft().display()))
    }
}

/// Gets table, key and row.
pub(super) type Each<'a> = dyn FnMut(u8, &[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Reads a base through; the position at or behind which no record is in it. `None` where there is none.
pub(super) fn read_upper(
    path: &std::path::Path,
    salt: Salt,
    each: &mut Each<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut upper = 0;
    let read = file::read::<Failed>(path, salt, &mut |table, key, row, _| {
        if table == STATE && key == THROUGH_KEY {
            upper = upper.max(decode_through(row).unwrap_or_default().0);
        } else if table == STATE && key.first() == Some(&b'a') {
            let applied = decode_positions(row).unwrap_or_default().into_iter();
            let highest = applied.map(|at| at.0).filter(|at| *at != u64::MAX).max();
            upper = upper.max(highest.unwrap_or(0));
        }
        Ok(each(table, key, row)?)
    });
    match read {
        Ok(about) => Ok(about.map(|_| upper)),
        Err(Failed::Base(Wrong::Unread(cause))) => {
            Err(io_error(format!("reading {}", path.display()))(cause))
        }
        Err(Failed::Base(Wrong::Damaged(offset, what))) => {
            let place = Spot::Byte { file: path.display().to_string(), offset };
            Err(StoreError::Corrupt { place, cause: what.into() })
        }
        Err(Failed::Row(error)) => Err(error),
    }
}

enum Failed {
    Base(Wrong),
    Row(StoreError),
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Base(wrong)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Row(error)
    }
}
