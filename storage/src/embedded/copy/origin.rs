//! The source that has the data itself: the directory of a running server, read beside it, or of a stopped one, locked.
//!
//! In: positions. Out: pieces of files ([`Span`]), found by the list of segments alone; what is in them is not looked at.
//! Never: waits for the thread of the log, or gives what is not durable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{About, BaseAbout, KEPT, PART_BYTES, PART_BYTES_MAX, Part, Source, SourceError};
use crate::embedded::base::Place;
use crate::embedded::base::file as base_file;
use crate::embedded::data_dir::{self, Lock};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::io_error;
use crate::embedded::log::{BATCH_HEAD_BYTES, Salt, Segments, append_ms_at, segment_path, still};
use crate::embedded::sys;
use crate::port::StoreError;

/// See the module.
pub struct Origin {
    place: Place,
    log: Log,
}

/// The origin in a data directory that no server uses.
pub struct Stopped {
    origin: Origin,
    now_ms: fn() -> i64,
    /// Keeps a server from starting meanwhile.
    _lock: Lock,
}

enum Log {
    /// A server writes it.
    Live(Arc<Segments>),
    /// Nobody does: where segments begin, where they end, and where the log does.
    Still(Vec<(u64, u64)>, u64),
}

/// A piece of a file.
#[derive(Debug)]
pub struct Span {
    file: File,
    path: PathBuf,
    offset: u64,
    bytes: u64,
    /// When the first batch in it was appended, unix milliseconds, where one begins there.
    pub append_ms: Option<i64>,
}

impl Origin {
    /// Of a running server.
    pub(in crate::embedded) const fn live(place: Place, segments: Arc<Segments>) -> Self {
        Self { place, log: Log::Live(segments) }
    }

    /// What it says of itself; it is `time_ms`, unix milliseconds.
    ///
    /// # Errors
    /// [`SourceError`] where its files cannot be read.
    pub fn about(&self, time_ms: i64) -> Result<About, SourceError> {
        let (durable, list) = self.extent();
        let read = |name: &str| {
            let path = self.place.dir.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io_error(format!("reading {}", path.display()))(error)),
            }
        };
        let mut kept = Vec::new();
        for name in KEPT {
            kept.extend(read(name)?.map(|text| (name.to_owned(), text.trim().to_owned())));
        }
        Ok(About {
            format: read("format")?.unwrap_or_default(),
            epochs: Epochs::read(&self.place.dir)?,
            first: list.first().map_or(0, |(base, _)| *base),
            durable,
            time_ms,
            base: self.base_about().map_err(|wrong| self.place.named(wrong))?,
            kept,
        })
    }

    fn base_about(&self) -> Result<Option<BaseAbout>, base_file::Wrong> {
        let about = self.place.about()?;
        Ok(about.map(|about| BaseAbout {
            through: about.through.0,
            low: about.low.0,
            bytes: about.bytes,
        }))
    }

    /// Of the epoch of a segment.
    fn salt_of(&self, segment: u64) -> Salt {
        let Log::Live(segments) = &self.log else { return self.place.salt };
        let list = segments.list();
        let epoch = list.iter().find(|held| held.base == segment).map(|held| held.epoch);
        epoch.map_or(self.place.salt, |epoch| self.place.salt.of(epoch))
    }

    /// Up to where the log is durable. Of a running server it grows.
    #[must_use]
    pub fn durable(&self) -> u64 {
        match &self.log {
            Log::Live(segments) => segments.flushed(),
            Log::Still(_, end) => *end,
        }
    }

    /// Up to where the log is durable, and its segments: where they begin and end.
    fn extent(&self) -> (u64, Vec<(u64, u64)>) {
        let durable = self.durable();
        let list = match &self.log {
            Log::Live(segments) => {
                segments.list().iter().map(|segment| (segment.base, segment.end)).collect()
            }
            Log::Still(list, _) => list.clone(),
        };
        (durable, list)
    }

    /// The log's bytes from position `from` on, as [`Source::log`] gives them, without waiting; it is `time_ms`, unix
    /// milliseconds.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn log(
        &self,
        from: u64,
        bytes_max: u64,
        time_ms: i64,
    ) -> Result<(Part, Option<Span>), SourceError> {
        let (durable, list) = self.extent();
        if from > durable {
            return Err(SourceError::Ahead { durable });
        }
        // Retention leaves gaps, also between segments that are there.
        let next = list.partition_point(|(base, _)| *base <= from);
        let held = next.checked_sub(1).and_then(|at| list.get(at)).copied();
        let (segment, end) = match (held, list.get(next)) {
            (Some((segment, end)), None) => (segment, end),
            (Some((segment, end)), Some(_)) if from < end => (segment, end),
            (_, Some(&(first, _))) => return Err(SourceError::Gone { first }),
            (None, None) => return Err(SourceError::Ahead { durable }),
        };
        // A base that is damaged is no reason to copy nothing: the log is what counts.
        let base = self.base_about().ok().flatten().map_or(0, |base| base.through);
        let part = Part { segment, durable, time_ms, base };
        let bytes = end.min(durable).saturating_sub(from).min(bytes_max.min(PART_BYTES_MAX));
        if bytes == 0 {
            return Ok((part, None));
        }
        let path = segment_path(&self.place.dir.join("log"), segment);
        let mut span = match Span::open(path, from - segment, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SourceError::Gone { first: end.min(durable) });
            }
            span => span.map_err(io_error(format!("reading the log at {from}")))?,
        };
        if bytes > BATCH_HEAD_BYTES as u64 {
            let salt = self.salt_of(segment);
            span.append_ms = append_ms_at(&span.file, segment, from - segment, salt);
        }
        Ok((part, Some(span)))
    }

    /// Bytes of the base that has this `through`, from an offset on, as [`Source::base`] gives them.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn base(&self, through: u64, from: u64) -> Result<Option<Span>, SourceError> {
        let path = base_file::path(&self.place.dir);
        let gone =
            SourceError::Gone { first: self.extent().1.first().map_or(0, |(base, _)| *base) };
        let mut span = match Span::open(path, 0, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone),
            span => span.map_err(io_error("reading the base".to_owned()))?,
        };
        // Of the file that is open: another one may have its name by now.
        let about = span.file.try_clone().map_err(base_file::Wrong::from);
        let about = about.and_then(|file| base_file::about_of(file, self.place.salt));
        let about = about.map_err(|wrong| self.place.named(wrong))?;
        if about.through.0 != through {
            return Err(gone);
        }
        (span.offset, span.bytes) = (from, about.bytes.saturating_sub(from).min(PART_BYTES));
        Ok((span.bytes > 0).then_some(span))
    }
}

impl Stopped {
    /// `None` where there is no data.
    ///
    /// # Errors
    /// [`SourceError`] where a server uses it, or the log's end cannot be read.
    pub fn open(dir: &Path, now_ms: fn() -> i64) -> Result<Option<Self>, SourceError> {
        let Some((lock, salt)) = data_dir::visit(dir)? else { return Ok(None) };
        let (list, end) = still(&dir.join("log"), salt)?;
        let place = Place { dir: dir.to_owned(), salt };
        let origin = Origin { place, log: Log::Still(list, end) };
        Ok(Some(Self { origin, now_ms, _lock: lock }))
    }
}

impl Source for Stopped {
    fn about(&mut self) -> Result<About, SourceError> {
        self.origin.about((self.now_ms)())
    }

    fn log(
        &mut self,
        from: u64,
        bytes_max: u64,
        _: u64,
        into: &mut Vec<u8>,
    ) -> Result<Part, SourceError> {
        let (part, span) = self.origin.log(from, bytes_max, (self.now_ms)())?;
        Span::read_all(span, PART_BYTES_MAX, into)?;
        Ok(part)
    }

    fn base(&mut self, through: u64, from: u64, into: &mut Vec<u8>) -> Result<(), SourceError> {
        Ok(Span::read_all(self.origin.base(through, from)?, PART_BYTES_MAX, into)?)
    }
}

impl Span {
    fn open(path: PathBuf, offset: u64, bytes: u64) -> io::Result<Self> {
        let file = File::open(&path)?;
        sys::read_without_ahead(&file);
        Ok(Self { file, path, offset, bytes, append_ms: None })
    }

    /// Puts the first `bytes_max` bytes of one, if there is one, in the place of what is in `into`.
    ///
    /// # Errors
    /// [`StoreError`] by file.
    pub fn read_all(
        span: Option<Self>,
        bytes_max: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        into.clear();
        let Some(span) = span else { return Ok(()) };
        into.resize(span.len().min(bytes_max) as usize, 0);
        span.read(0, into)
    }

    /// How many bytes it is.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Reads from byte `at` of it on. What the system had in memory stays there, and what it had not does not.
    ///
    /// # Errors
    /// [`StoreError`] by file.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let read = sys::read_aside(&self.file, into, self.offset + at);
        read.map_err(io_error(format!("reading {}", self.path.display())))
    }
}
