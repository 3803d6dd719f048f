//! What a copy says of itself: whose it is, and up to where it is durable and checked.
//!
//! Owns the file `copy`, a text under a checksum that is replaced as a whole. It may lag behind the log's files, never be
//! ahead of them: what lies behind its position and is whole counts too, for it came from the source under its checksums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::check::Checked;
use super::told::numbers;
use crate::embedded::error::{OpenError, io_error};
use crate::embedded::log::sync_dir;

const TITLE: &str = "a copy of openim data, written by openim backup; do not edit";
/// Version 1 did not have [`Manifest::kept`].
const VERSION: u64 = 2;

/// A part of the log without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins: with a segment.
    pub first: u64,
    /// Where it ends. Of the last one that is where the copy does, and the manifest says it elsewhere.
    pub end: u64,
    /// Whoever makes an index from a moment of it needs a base: the log is not there from its beginning, or had one already.
    pub needs_base: bool,
}

/// A base that is in the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBase {
    /// Tells it from others; its file is named so.
    pub through: u64,
    /// Whoever goes on from it needs the log from here on.
    pub low: u64,
    /// Nothing of it is of a record at or behind this position.
    pub upper: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// How far the log is there.
    pub checked: Checked,
    /// What was acknowledged before is in the copy; unix milliseconds.
    pub time_ms: i64,
    /// Rising; the last one ends where [`Self::checked`] does.
    pub stretches: Vec<Stretch>,
    /// Rising.
    pub bases: Vec<KeptBase>,
    /// Small files that are kept beside, by name, each with the CRC-32C of what is in it.
    pub kept: BTreeMap<String, u32>,
}

/// Where it is.
pub(in crate::embedded) fn path(dir: &Path) -> PathBuf {
    dir.join("copy")
}

/// The file of a base.
pub(super) fn base_path(dir: &Path, through: u64) -> PathBuf {
    dir.join(format!("bases/{through:020}.base"))
}

impl Manifest {
    /// What the copy in `dir` says of itself; `None` where there is none.
    ///
    /// # Errors
    /// [`OpenError`]: it is not what was written.
    pub fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let file = path(dir);
        let text = match std::fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(format!("reading {}", file.display()))(error).into()),
        };
        Self::parse(&text).map(Some).map_err(|what| OpenError::Lost { file, what: what.to_owned() })
    }

    /// Writes it in place of the one before.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let draft = dir.join("copy.new");
        let mut file = File::create(&draft)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path(dir))?;
        sync_dir(dir)
    }

    fn text(&self) -> String {
        let Self { checked, time_ms, stretches, bases, kept } = self;
        let Checked { at, segment, next_batch, last_ms, last } = *checked;
        let mut text = format!("# {TITLE}\nversion = {VERSION}\ntime = {time_ms}\n");
        // Writing into a text cannot fail.
        writeln!(text, "position = {at} {segment} {next_batch} {last}\nappended = {last_ms}").ok();
        for Stretch { first, end, needs_base } in stretches {
            writeln!(text, "stretch = {first} {end} {}", u64::from(*needs_base)).ok();
        }
        for KeptBase { through, low, upper, bytes } in bases {
            writeln!(text, "base = {through} {low} {upper} {bytes}").ok();
        }
        for (name, sum) in kept {
            writeln!(text, "kept = {name} {sum:08x}").ok();
        }
        let check = crc32c::crc32c(text.as_bytes());
        writeln!(text, "check = {check:08x}").ok();
        text
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "fails its checksum";
        let (mut read, mut version) = (Self::default(), 0);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once(" = ").ok_or(MALFORMED)?;
            match key {
                "version" => version = value.parse().map_err(|_| MALFORMED)?,
                "time" => read.time_ms = value.parse().map_err(|_| MALFORMED)?,
                "appended" => read.checked.last_ms = value.parse().map_err(|_| MALFORMED)?,
                "position" => {
                    let [at, segment, next_batch, last] = numbers(value).ok_or(MALFORMED)?;
                    read.checked = Checked { at, segment, next_batch, last, ..read.checked };
                }
                "stretch" => {
                    let [first, end, needs_base] = numbers(value).ok_or(MALFORMED)?;
                    read.stretches.push(Stretch { first, end, needs_base: needs_base != 0 });
                }
                "base" => {
                    let [through, low, upper, bytes] = numbers(value).ok_or(MALFORMED)?;
                    read.bases.push(KeptBase { through, low, upper, bytes });
                }
                "kept" => {
                    let (name, sum) = value.split_once(' ').ok_or(MALFORMED)?;
                    let sum = u32::from_str_radix(sum, 16).map_err(|_| MALFORMED)?;
                    read.kept.insert(name.to_owned(), sum);
                }
                _ => {}
            }
        }
        let (told, check) = text.split_at(text.rfind("check = ").ok_or(MALFORMED)?);
        let is_whole = check == format!("check = {:08x}\n", crc32c::crc32c(told.as_bytes()));
        match version {
            0 => Err("does not say which version wrote it"),
            1..=VERSION if !is_whole => Err(MALFORMED),
            1..=VERSION => Ok(read),
            _ => Err("was written by a newer version of openim: run that version"),
        }
    }

    /// Files that are kept beside and are not what was copied, or gone.
    pub(super) fn lost(&self, dir: &Path) -> Vec<String> {
        let is_lost = |(name, sum): &(&String, &u32)| {
            let held = std::fs::read(dir.join(name));
            held.map_or(true, |held| crc32c::crc32c(&held) != **sum)
        };
        self.kept.iter().filter(is_lost).map(|(name, _)| name.clone()).collect()
    }

    /// The stretches with their ends.
    #[must_use]
    pub fn stretches(&self) -> Vec<Stretch> {
        let mut stretches = self.stretches.clone();
        if let Some(last) = stretches.last_mut() {
            last.end = self.checked.at;
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), None);
        let manifest = Manifest {
            checked: Checked { at: 900, segment: 64, next_batch: 7, last_ms: -3, last: 800 },
            time_ms: 5,
            stretches: vec![
                Stretch { first: 0, end: 50, needs_base: false },
                Stretch { first: 64, end: 0, needs_base: true },
            ],
            bases: vec![KeptBase { through: 70, low: 66, upper: 80, bytes: 3 }],
            kept: [("secret".to_owned(), 0xab)].into(),
        };
        manifest.write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), Some(manifest.clone()));
        assert_eq!(manifest.stretches()[1].end, 900);
        let text = manifest.text();
        for bad in [text.replace("900", "901"), text.replace("version = 2\n", ""), String::new()] {
            assert!(Manifest::parse(&bad).is_err(), "{bad}");
        }
        let newer = text.replace("version = 2", "version = 3");
        assert!(Manifest::parse(&newer).is_err_and(|what| what.contains("newer")));
        let older =
            "version = 1\ntime = 5\nposition = 900 64 7 800\nappended = -3\nstretch = 0 50 0\n";
        let older = format!("{older}check = {:08x}\n", crc32c::crc32c(older.as_bytes()));
        let older = Manifest::parse(&older).unwrap();
        assert_eq!((older.checked, older.kept.len()), (manifest.checked, 0));
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        assert_eq!(manifest.lost(dir.path()), ["secret"]);
    }
}
