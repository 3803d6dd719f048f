//! What a directory is that follows another server, or did.
//!
//! Owns `<data>/standby`: whom it follows, and how far that has come. Durable before what it tells of is done.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::embedded::data_dir::TITLE;
use crate::embedded::epochs;
use crate::embedded::error::{OpenError, RESTORE, io_error};
use crate::port::StoreError;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Base and log are being taken: nothing can be opened yet.
    Taking,
    /// All that it has is of the other server; it can be opened.
    Following,
    /// It is about to have an epoch of its own.
    Promoting,
    /// It has, and the other server is to be told.
    Promoted,
    /// It has, and the other server knows.
    Serving,
}

const STAGES: [(Stage, &str); 5] = [
    (Stage::Taking, "taking"),
    (Stage::Following, "following"),
    (Stage::Promoting, "promoting"),
    (Stage::Promoted, "promoted"),
    (Stage::Serving, "serving"),
];

impl Stage {
    /// Whether a server may have the directory.
    const fn serves(self) -> bool {
        matches!(self, Self::Promoted | Self::Serving)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The other server's operators' port.
    pub of: String,
    /// See [`Stage`].
    pub stage: Stage,
}

impl Note {
    /// Reads that of the data directory `dir`; `None` where it never followed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let file = path(dir);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(format!("reading {}", file.display()))(error).into()),
        };
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(" = "));
            lines.find(|(of, _)| *of == key).map(|(_, value)| value)
        };
        let stage = STAGES.iter().find(|(_, name)| value("stage") == Some(*name));
        let note = value("of")
            .zip(stage)
            .map(|(of, (stage, _))| Self { of: of.to_owned(), stage: *stage });
        let note = note.filter(|note| note.to_string() == text);
        let what = || format!("is not as it was written; {RESTORE}");
        note.map(Some).ok_or_else(|| OpenError::Lost { file, what: what() })
    }

    /// Makes it that of `dir`, durably.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        epochs::write(&path(dir), &self.to_string())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage =
            STAGES.iter().find(|(stage, _)| *stage == self.stage).map_or("", |(_, name)| name);
        let text = format!("# {TITLE}\nof = {}\nstage = {stage}\n", self.of);
        writeln!(f, "{text}check = {:08x}", crc32c::crc32c(text.as_bytes()))
    }
}

/// Refuses a directory that follows another server and was not promoted.
pub(in crate::embedded) fn refuse(dir: &Path) -> Result<(), OpenError> {
    match Note::read(dir)? {
        Some(note) if !note.stage.serves() => {
            Err(OpenError::Follows { file: path(dir), of: note.of })
        }
        _ => Ok(()),
    }
}

/// The file in a data directory.
fn path(dir: &Path) -> PathBuf {
    dir.join("standby")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_read_back_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Note::read(dir.path()).unwrap(), None);
        for (stage, _) in STAGES {
            let note = Note { of: "http://a:1".to_owned(), stage };
            note.write(dir.path()).unwrap();
            assert_eq!(Note::read(dir.path()).unwrap(), Some(note));
            assert_eq!(refuse(dir.path()).is_ok(), stage.serves());
        }
        std::fs::write(path(dir.path()), "of = http://b:1\nstage = promoted\n").unwrap();
        assert!(Note::read(dir.path()).is_err());
    }
}
