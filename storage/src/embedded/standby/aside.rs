//! What a server wrote that was replaced: moved out of its log, and kept.
//!
//! In: where the log goes on otherwise. Out: a folder `aside-<position>` with the segments from there on, the one that the
//! position lies in as a whole. Invariant: a byte is there before it is gone from the log, so a crash loses none.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use openim_record::Position;

use crate::embedded::data_dir::make_private;
use crate::embedded::epochs::Epochs;
use crate::embedded::error::io_error;
use crate::embedded::log::{
    Found, Salt, Salvage, Span, lengths, segment_files, segment_path, sync_dir,
};
use crate::port::StoreError;

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it is now.
    pub folder: PathBuf,
    /// From this position on.
    pub from: u64,
    /// Records in it.
    pub records: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// Moves what lies behind `from` out of the log in `dir`.
pub(super) fn set_aside(
    dir: &Path,
    salt: Salt,
    epochs: &Epochs,
    from: u64,
) -> Result<Aside, StoreError> {
    let (log, folder) = (dir.join("log"), dir.join(format!("aside-{from:020}")));
    move_all(&log, &folder, from)
        .map_err(io_error(format!("setting aside what lies behind {from} in {}", log.display())))?;
    let (mut records, mut bytes) = (0, 0);
    let bases = segment_files(&folder)?;
    let (removed, durable, read_to) = (0, None, None);
    let mut salvage =
        Salvage { dir: &folder, bases: &bases, salt, epochs, removed, durable, read_to };
    salvage.show(&Span { from: Position(from), ..Span::default() }, &mut |found| {
        if let Found::Record(record) = found {
            records += 1;
            bytes += record.record.len() as u64;
        }
        ControlFlow::Continue(())
    });
    Ok(Aside { folder, from, records, bytes })
}

fn move_all(log: &Path, folder: &Path, from: u64) -> io::Result<()> {
    make_private(folder)?;
    let segments = lengths(log).map_err(io::Error::other)?;
    for &(base, bytes) in segments.iter().rev() {
        let (file, kept) = (segment_path(log, base), segment_path(folder, base));
        if base >= from {
            fs::rename(&file, &kept)?;
        } else if base + bytes > from {
            let draft = kept.with_extension("tmp");
            fs::copy(&file, &draft)?;
            fs::File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &kept)?;
            sync_dir(folder)?;
            let cut = OpenOptions::new().write(true).open(&file)?;
            cut.set_len(from - base)?;
            cut.sync_all()?;
        }
    }
    sync_dir(folder)?;
    sync_dir(log)
}
