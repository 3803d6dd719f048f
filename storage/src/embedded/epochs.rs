//! The epochs of a log: who wrote it from where on, so that two servers that both went on from one place are told apart.
//!
//! Owns `<data>/epochs`: a line each epoch but the first, which is what a directory without the file has. An epoch begins
//! where the log ends: it is noted here, durably, and the next opening begins a segment whose head names it. Its id is mixed
//! into the checksums of that segment and of all behind it, so what was written under an older epoch never passes there.
//! Invariant: an epoch that is in the list never leaves it, and each begins at or behind the one before.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::data_dir::{TITLE, random};
use super::error::{OpenError, RESTORE, io_error};
use super::log::{Epoch, Salt, sync_dir};
use crate::port::StoreError;

/// Epochs of one directory: a promotion each. Bounds what is read of another server's.
const EPOCHS_MAX: usize = 256;

/// One epoch, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    pub(super) epoch: Epoch,
    from: u64,
}

impl Begun {
    /// Its number: how many came before it.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.epoch.number
    }

    /// Log position of its first byte.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }
}

/// The epochs of a log, oldest first; the first of all, which every log begins with, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<Begun>);

impl Epochs {
    /// Reads those of the data directory `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, OpenError> {
        let file = path(dir);
        Ok(read(&file)?.unwrap_or_default())
    }

    /// Makes these the epochs of the data directory `dir`, durably.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        write(&path(dir), &self.text())
    }

    /// As text that [`Self::parse`] reads: lines `epoch = number id from`, and a checksum.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |begun: &Begun| {
            let Begun { epoch: Epoch { number, id }, from } = begun;
            format!("epoch = {number} {id:016x} {from}\n")
        };
        let lines: String = self.0.iter().map(line).collect();
        let text = format!("# {TITLE}\n{lines}");
        format!("{text}check = {:08x}\n", crc32c::crc32c(text.as_bytes()))
    }

    /// Reads what [`Self::text`] wrote.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("epoch = "));
        let mut epochs = Vec::new();
        for line in lines.take(EPOCHS_MAX) {
            let mut parts = line.split(' ');
            let mut number = |radix| parts.next().and_then(|n| u64::from_str_radix(n, radix).ok());
            let begun = number(10).zip(number(16)).zip(number(10));
            let Some(((number, id), from)) = begun else {
                return Err("has a line that is no epoch");
            };
            epochs.push(Begun { epoch: Epoch { number, id }, from });
        }
        if Self(epochs.clone()).text() != text {
            return Err("fails its checksum");
        }
        Self::ordered(epochs)
    }

    fn ordered(epochs: Vec<Begun>) -> Result<Self, &'static str> {
        let is_next =
            |(begun, number): (&Begun, u64)| begun.epoch.number == number && begun.epoch.id != 0;
        match epochs.iter().zip(1..).all(is_next) && epochs.is_sorted_by_key(|begun| begun.from) {
            true => Ok(Self(epochs)),
            false => Err("has epochs out of order"),
        }
    }

    /// As one word, for an address.
    #[must_use]
    pub fn word(&self) -> String {
        let word = |begun: &Begun| {
            let Begun { epoch: Epoch { number, id }, from } = begun;
            format!("{number}-{id:016x}-{from}")
        };
        self.0.iter().map(word).collect::<Vec<_>>().join("_")
    }

    /// Reads what [`Self::word`] gave.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_word(word: &str) -> Result<Self, &'static str> {
        let words = word.split('_').filter(|word| !word.is_empty()).take(EPOCHS_MAX);
        let epochs = words.map(|word| {
            let mut parts = word.split('-');
            let mut number = |radix| parts.next().and_then(|n| u64::from_str_radix(n, radix).ok());
            let ((number, id), from) = number(10).zip(number(16)).zip(number(10))?;
            Some(Begun { epoch: Epoch { number, id }, from })
        });
        let epochs: Option<Vec<Begun>> = epochs.collect();
        Self::ordered(epochs.ok_or("has a word that is no epoch")?)
    }

    /// The epoch of what lies at a position.
    pub(super) fn at(&self, position: u64) -> Epoch {
        let begun = self.0.partition_point(|begun| begun.from <= position);
        begun.checked_sub(1).map_or(Epoch::FIRST, |last| self.0[last].epoch)
    }

    /// The last one; `None` while it is the first of all.
    #[must_use]
    pub fn last(&self) -> Option<Begun> {
        self.0.last().copied()
    }

    /// Those of a log that is cut at `end`.
    pub(super) fn before(&self, end: u64) -> Self {
        Self(self.0.iter().filter(|begun| begun.from < end).copied().collect())
    }

    /// The first with a higher number than this.
    pub(super) fn begun_behind(&self, number: u64) -> Option<Begun> {
        self.0.iter().find(|begun| begun.number() > number).copied()
    }

    /// The number of the last one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.last().map_or(0, |begun| begun.number())
    }

    /// With one more, which begins at `from`.
    #[must_use]
    pub(super) fn with_next(&self, salt: Salt, from: u64) -> Self {
        let number = self.number() + 1;
        let seeds = || self.0.iter().map(|begun| begun.epoch).chain([Epoch::FIRST]);
        let epoch = loop {
            let epoch = Epoch { number, id: random() };
            // No bytes pass under two of them in the same place, ever: see `Salt::of`.
            if seeds().all(|other| salt.of(other).seed() != salt.of(epoch).seed()) {
                break epoch;
            }
        };
        let mut next = self.clone();
        next.0.push(Begun { epoch, from });
        next
    }

    /// Those that begin at or below a position.
    #[must_use]
    pub(super) fn up_to(&self, position: u64) -> Self {
        Self(self.0.iter().take_while(|begun| begun.from <= position).copied().collect())
    }

    /// Whether the other one has these and more: who wrote under these alone was replaced.
    #[must_use]
    pub fn are_continued_by(&self, other: &Self) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }

    /// Below which position logs with these and with the others hold the same; `None` where they never part.
    #[must_use]
    pub fn part_from(&self, other: &Self) -> Option<u64> {
        let same = self.0.iter().zip(&other.0).take_while(|(own, other)| own == other).count();
        let parting = [self, other].into_iter().filter_map(|epochs| epochs.0.get(same));
        parting.map(|begun| begun.from).min()
    }
}

/// The file in a data directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("epochs")
}

/// Reads a list of epochs from a file; `None` where there is none.
pub(super) fn read(file: &Path) -> Result<Option<Epochs>, OpenError> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(format!("reading {}", file.display()))(error).into()),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not text");
    let epochs = text.and_then(Epochs::parse).map_err(|what| OpenError::Lost {
        file: file.to_owned(),
        what: format!("{what}; {RESTORE}"),
    })?;
    Ok(Some(epochs))
}

/// Writes a small file of text, durably: it is as before, or whole.
pub(super) fn write(file: &Path, text: &str) -> Result<(), StoreError> {
    let draft = file.with_extension("tmp");
    let write = || {
        let mut out = File::create(&draft)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&draft, file)?;
        sync_dir(file.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(io_error(format!("writing {}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(7);

    fn epochs(from: &[u64]) -> Epochs {
        from.iter().fold(Epochs::default(), |epochs, from| epochs.with_next(SALT, *from))
    }

    #[test]
    fn the_list_is_read_back_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Epochs::read(dir.path()).unwrap(), Epochs::default());
        let list = epochs(&[100, 100, 300]);
        list.write(dir.path()).unwrap();
        assert_eq!(Epochs::read(dir.path()).unwrap(), list);
        let numbers = [99, 100, 299, 300, u64::MAX].map(|position| list.at(position).number);
        assert_eq!(numbers, [0, 2, 2, 3, 3]);
        assert_eq!(Epochs::of_word(&list.word()), Ok(list.clone()));
        assert!(Epochs::of_word("1-0-x").is_err() && Epochs::of_word("2-1-0").is_err());
        assert_eq!(Epochs::of_word(&list.word()), Ok(list.clone()));
        assert!(Epochs::of_word("1-0-x").is_err() && Epochs::of_word("2-1-0").is_err());
        let text = list.text();
        for bad in [&text.replace("300", "301"), &text[..text.len() - 1], "", "epoch = x"] {
            assert!(Epochs::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn where_two_lists_part_is_where_the_first_of_their_own_begins() {
        let one = epochs(&[100]);
        let (two, other) = (one.with_next(SALT, 250), one.with_next(SALT, 200));
        assert!(one.are_continued_by(&two) && !two.are_continued_by(&one));
        assert!(!two.are_continued_by(&other) && !one.are_continued_by(&one));
        assert_eq!(one.part_from(&one), None);
        assert_eq!(one.part_from(&two), Some(250));
        assert_eq!(two.part_from(&other), Some(200));
        assert_eq!(Epochs::default().part_from(&two), Some(100));
        // Two that were promoted on their own have other epochs of the same number.
        assert_eq!(epochs(&[100]).part_from(&one), Some(100));
    }
}
