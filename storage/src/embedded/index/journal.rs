//! A look at the engine's journals before the engine opens them.
//!
//! The engine cuts its journal at the first thing it does not understand, whatever lies behind it, takes the next
//! one for its continuation, and gives up for good on a batch whose middle a power cut has lost. Here the end is found
//! first: what lies behind the last whole batch is taken away, for the log gives it back. It is set aside until the start
//! has come to its end, and comes back when the start is refused. In: the folder of the index. Out: how far the
//! journals go.
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

use crate::embedded::error::io_error;
use crate::embedded::log::write_again;
use crate::port::StoreError;

/// How the names of journals end, and of those that were set aside.
const JOURNAL: &str = "jnl";
const ASIDE: &str = "aside";
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
    /// The number that the engine has given it.
    last: Option<u64>,
    /// Where the last byte that is not zero lies behind that, if one does.
    beyond: Option<u64>,
}

/// How far the journals go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) struct Reach {
    /// The number that the engine has given their last whole batch.
    pub(in crate::embedded) last: Option<u64>,
    /// Something behind it was set aside.
    pub(in crate::embedded) cut: bool,
}

/// Looks through the journals in `dir`. With `in_doubt` they are written again, as a flush of them has failed.
pub(in crate::embedded) fn check(dir: &Path, in_doubt: bool) -> Result<Reach, StoreError> {
    put_back(dir)?;
    let journals = journals(dir).map_err(io_error(format!("listing {}", dir.display())))?;
    let mut reach = Reach::default();
    for (index, path) in journals.iter().enumerate() {
        let scanned = scan(path).map_err(io_error(format!("reading {}", path.display())))?;
        reach.last = scanned.last.or(reach.last);
        let mending = || io_error(format!("mending {}", path.display()));
        if scanned.beyond.is_some() {
            set_aside(path, &journals[index + 1..]).map_err(mending())?;
            reach.cut = true;
        }
        mend(path, scanned, in_doubt).map_err(mending())?;
        if reach.cut {
            break;
        }
    }
    Ok(reach)
}

/// Keeps a journal as it is beside itself, and takes away those that follow it.
fn set_aside(path: &Path, behind: &[PathBuf]) -> io::Result<()> {
    for journal in behind.iter().rev() {
        std::fs::rename(journal, aside(journal))?;
    }
    let draft = path.with_extension("copying");
    std::fs::copy(path, &draft)?;
    std::fs::rename(&draft, aside(path))
}

fn aside(journal: &Path) -> PathBuf {
    journal.with_extension(ASIDE)
}

/// Brings back what a start that was refused or cut short has set aside.
pub(in crate::embedded) fn put_back(dir: &Path) -> Result<(), StoreError> {
    each_aside(dir, |path| std::fs::rename(path, path.with_extension(JOURNAL)))
}

/// Forgets what was set aside: the log has given it back.
pub(in crate::embedded) fn forget_aside(dir: &Path) -> Result<(), StoreError> {
    each_aside(dir, |path| std::fs::remove_file(path))
}

fn each_aside(dir: &Path, each: impl Fn(&Path) -> io::Result<()>) -> Result<(), StoreError> {
    let all = || {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == ASIDE) {
                each(&path)?;
            }
        }
        Ok(())
    };
    all().map_err(io_error(format!("mending the journals in {}", dir.display())))
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
            "cut the index's journal behind its last whole change; the log has what follows"
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
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == JOURNAL))
        {
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
    while let Some(number) = from.batch()?.filter(|number| Some(*number) > scanned.last) {
        scanned.whole = from.at;
        scanned.last = Some(number);
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
    /// Reads a batch, and gives its number; `None` when the bytes here are none.
    fn batch(&mut self) -> io::Result<Option<u64>> {
        if self.byte()? != Some(BATCH) {
            return Ok(None);
        }
        let Some(items) = self.array::<4>()?.map(u32::from_le_bytes) else { return Ok(None) };
        let Some(number) = self.array::<8>()?.map(u64::from_le_bytes) else { return Ok(None) };
        let mut hash = Xxh3::new();
        for _ in 0..items {
            let Some(item) = self.item()? else { return Ok(None) };
            hash.update(&item.head);
            hash.update(&item.key);
            hash.update(&item.value);
        }
        let end = self.array::<13>()?;
        let checksum = hash.digest().to_le_bytes();
        let whole =
            end.is_some_and(|end| end[0] == END && end[1..9] == checksum && end[9..] == TRAILER);
        Ok(whole.then_some(number))
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

struct Item {
    head: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}
