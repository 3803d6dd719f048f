//! A look at the engine's journals before the engine opens them.
//!
//! The engine cuts its journal at the first thing it does not understand, whatever lies behind it, and gives up
//! for good on a batch whose middle a power cut has lost. Here the end is found first: what was cut short
//! behind the last whole batch is taken away, if no acknowledged change goes with it; anything else is told
//! and left as it is. In: the folder of the index. Out: nothing, or the damage by file and offset.
//!
//! ```text
//! batch = 1, items u32, number u64; items; 3, XXH3 of the items u64, "FJL\x03"
//! item  = 2, kind u8, 0, table u64, key length u16, value length u32 twice, key, value
//!       | 4, table u64
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::number_in;
use crate::embedded::error::{RESTORE, io_error};
use crate::embedded::log::write_again;
use crate::port::{Spot, StoreError};

const BATCH: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

/// What a journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scanned {
    /// Where the last whole batch ends.
    whole: u64,
    /// The number that the last whole batch gives the index.
    number: Option<u64>,
    /// Where the last byte that is not zero lies behind that, if one does.
    beyond: Option<u64>,
}

/// Looks through the journals in `dir`; `acknowledged` is the number of the last commit that was answered.
/// With `in_doubt` they are written again, as a flush of them has failed.
pub(in crate::embedded) fn check(
    dir: &Path,
    acknowledged: u64,
    in_doubt: bool,
) -> Result<(), StoreError> {
    let journals = journals(dir).map_err(io_error(format!("listing {}", dir.display())))?;
    for (index, path) in journals.iter().enumerate() {
        let scanned = scan(path).map_err(io_error(format!("reading {}", path.display())))?;
        let damaged = |what: &str| StoreError::Corrupt {
            place: Spot::Byte { file: path.display().to_string(), offset: scanned.whole },
            cause: format!("{what}; {RESTORE}").into(),
        };
        if scanned.beyond.is_some() {
            // The engine flushes a journal before it begins the next.
            if index + 1 < journals.len() {
                return Err(damaged("a whole change of the index was expected"));
            }
            if scanned.number.is_some_and(|number| number < acknowledged) {
                return Err(damaged("a change that was answered as stored was expected"));
            }
        }
        mend(path, scanned, in_doubt).map_err(io_error(format!("mending {}", path.display())))?;
    }
    Ok(())
}

fn mend(path: &Path, scanned: Scanned, in_doubt: bool) -> io::Result<()> {
    if scanned.beyond.is_none() && !in_doubt {
        return Ok(());
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if let Some(beyond) = scanned.beyond {
        let (file_name, offset) = (path.display(), scanned.whole);
        tracing::info!(
            file = %file_name,
            offset,
            bytes = beyond + 1 - offset,
            "cut what the last run had not finished writing; none of it was acknowledged"
        );
        file.set_len(scanned.whole)?;
        file.sync_all()?;
    }
    if in_doubt { write_again(&file, 0..scanned.whole) } else { Ok(()) }
}

/// The journals, oldest first.
fn journals(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == "jnl")) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn scan(path: &Path) -> io::Result<Scanned> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut from = Bytes { file: BufReader::with_capacity(256 * 1024, file), at: 0, length };
    let mut scanned = Scanned::default();
    // The engine numbers its batches in their order; no checksum covers that.
    let mut last = None;
    while let Some(batch) = from.batch()?.filter(|batch| Some(batch.order) > last) {
        scanned.whole = from.at;
        scanned.number = batch.number.or(scanned.number);
        last = Some(batch.order);
    }
    scanned.beyond = from.last_written(scanned.whole)?;
    Ok(scanned)
}

struct Bytes {
    file: BufReader<File>,
    at: u64,
    length: u64,
}

impl Bytes {
    /// Reads a batch; `None` when the bytes here are none.
    fn batch(&mut self) -> io::Result<Option<Batch>> {
        if self.byte()? != Some(BATCH) {
            return Ok(None);
        }
        let Some(items) = self.array::<4>()?.map(u32::from_le_bytes) else { return Ok(None) };
        let Some(order) = self.array::<8>()?.map(u64::from_le_bytes) else { return Ok(None) };
        let mut hash = Xxh3::new();
        let mut number = None;
        for _ in 0..items {
            let Some(item) = self.item()? else { return Ok(None) };
            hash.update(&item.head);
            hash.update(&item.key);
            hash.update(&item.value);
            number = number_in(&item.key, &item.value).or(number);
        }
        let end = self.array::<13>()?;
        let checksum = hash.digest().to_le_bytes();
        let whole =
            end.is_some_and(|end| end[0] == END && end[1..9] == checksum && end[9..] == TRAILER);
        Ok(whole.then_some(Batch { order, number }))
    }

    fn item(&mut self) -> io::Result<Option<Item>> {
        match self.byte()? {
            Some(CLEAR) => {
                let Some(table) = self.array::<8>()? else { return Ok(None) };
                let head = [&[CLEAR], &table[..]].concat();
                Ok(Some(Item { head, key: Vec::new(), value: Vec::new() }))
            }
            Some(ITEM) => {
                let Some(head) = self.array::<20>()? else { return Ok(None) };
                let [.., k0, k1, _, _, _, _, v0, v1, v2, v3] = head;
                let key = self.bytes(u64::from(u16::from_le_bytes([k0, k1])))?;
                let Some(key) = key else { return Ok(None) };
                let value = self.bytes(u64::from(u32::from_le_bytes([v0, v1, v2, v3])))?;
                let Some(value) = value else { return Ok(None) };
                Ok(Some(Item { head: [&[ITEM], &head[..]].concat(), key, value }))
            }
            _ => Ok(None),
        }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        Ok(self.array::<1>()?.map(|[byte]| byte))
    }

    fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut out = [0; N];
        if self.length - self.at < N as u64 {
            return Ok(None);
        }
        self.file.read_exact(&mut out)?;
        self.at += N as u64;
        Ok(Some(out))
    }

    /// So many bytes; `None` when the file has fewer, whatever a damaged length says.
    fn bytes(&mut self, count: u64) -> io::Result<Option<Vec<u8>>> {
        if self.length - self.at < count {
            return Ok(None);
        }
        let mut out = vec![0; count as usize];
        self.file.read_exact(&mut out)?;
        self.at += count;
        Ok(Some(out))
    }

    /// The offset of the last byte at or behind `from` that is not zero.
    fn last_written(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; 256 * 1024];
        let zeros = window.clone();
        let mut last = None;
        let mut at = self.file.seek(SeekFrom::Start(from))?;
        loop {
            let read = self.file.read(&mut window)?;
            if read == 0 {
                return Ok(last);
            }
            // A fresh journal is 64 MiB of zeros: they are compared as a whole.
            let written = &window[..read];
            if *written != zeros[..read]
                && let Some(found) = written.iter().rposition(|&byte| byte != 0)
            {
                last = Some(at + found as u64);
            }
            at += read as u64;
        }
    }
}

struct Batch {
    /// Its place in the engine's order.
    order: u64,
    /// The number it gives the index.
    number: Option<u64>,
}

struct Item {
    head: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}
