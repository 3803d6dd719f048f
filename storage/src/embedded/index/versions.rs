//! A look at the lists of table files before the engine opens them.
//!
//! The engine keeps a checksum of each list and does not compare it; of some of what a flipped byte makes of a
//! list it gives up with a panic, of other things it opens fewer tables. In: the folder of a table. Out:
//! nothing, or which file is damaged or missing. Table files themselves have checksums that are compared
//! when they are read.
//!
//! ```text
//! current = number of the list u64, XXH3-128 of it, kind of checksum u8
//! vN      = the list
//! ```

use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

const CURRENT_BYTES: usize = 25;
/// The only kind there is.
const XXH3: u8 = 0;

/// A file that is not as it was written.
#[derive(Debug)]
pub(in crate::embedded) enum Wrong {
    Missing(PathBuf),
    Damaged(PathBuf),
    Unread(PathBuf, io::Error),
}

/// Compares the newest list of the table in `folder` with its checksum.
pub(in crate::embedded) fn check(folder: &Path) -> Result<(), Wrong> {
    let current = folder.join("current");
    let bytes = read(&current)?;
    let Some((number, checksum)) = decode(&bytes) else { return Err(Wrong::Damaged(current)) };
    let list = folder.join(format!("v{number}"));
    match read(&list) {
        Ok(bytes) if xxh3_128(&bytes) == checksum => Ok(()),
        Ok(_) => Err(Wrong::Damaged(list)),
        // Two files are written one after the other: whichever is wrong, it was not the engine.
        Err(wrong) => Err(wrong),
    }
}

fn decode(current: &[u8]) -> Option<(u64, u128)> {
    let current: &[u8; CURRENT_BYTES] = current.try_into().ok()?;
    let (number, rest) = current.split_first_chunk()?;
    let (checksum, kind) = rest.split_first_chunk()?;
    (kind == [XXH3]).then(|| (u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
}

fn read(file: &Path) -> Result<Vec<u8>, Wrong> {
    std::fs::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Wrong::Missing(file.to_owned()),
        _ => Wrong::Unread(file.to_owned(), error),
    })
}
