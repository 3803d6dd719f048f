//! The file of a base: all rows of the index, as of one moment. Pure but for reading and writing.
//!
//! ```text
//! frame = kind u8, table u8, 0 u16, bytes u32, CRC-32C u32, body    the checksum covers salt, number of the frame, the rest
//! file  = frame 0 (magic, low u64, through u64)
//!         frame 1 (length of the key, key, length of the row, row)* of a table, in the order of tables and keys
//!         frame 2 (rows u64), and nothing behind it
//! ```
//! Integers are little-endian, lengths are [`varint`]s.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use openim_record::{Position, varint};

use crate::embedded::log::Salt;

const MAGIC: [u8; 8] = *b"oimbase\x01";
const HEAD_BYTES: usize = 12;
const FIRST: u8 = 0;
const ROWS: u8 = 1;
const LAST: u8 = 2;
/// Rows that go into one frame: so many bytes, and one row more.
const FRAME_BYTES: usize = 1 << 20;
/// Written between two flushes, so that none of them keeps the device from others for long.
const FLUSH_EVERY: u64 = 8 << 20;

/// What a base says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct About {
    /// Whoever goes on from it needs the log from here on.
    pub(in crate::embedded) low: Position,
    /// Every record of rows below is in it.
    pub(in crate::embedded) through: Position,
    /// Length of the file.
    pub(in crate::embedded) bytes: u64,
    /// Rows in it.
    pub(in crate::embedded) rows: u64,
}

/// What is wrong with one.
#[derive(Debug)]
pub(in crate::embedded) enum Wrong {
    /// The bytes from this offset on are not what was written.
    Damaged(u64, &'static str),
    /// The system cannot read it.
    Unread(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

/// Writes a base.
pub(in crate::embedded) struct BaseWriter {
    file: File,
    salt: Salt,
    frames: u64,
    rows: u64,
    bytes: u64,
    flushed: u64,
    table: u8,
    body: Vec<u8>,
}

impl BaseWriter {
    /// Begins one in the file `draft`.
    pub(in crate::embedded) fn begin(draft: &Path, salt: Salt, about: About) -> io::Result<Self> {
        let file = File::create(draft)?;
        let (frames, rows, bytes, flushed) = (0, 0, 0, 0);
        let mut base =
            Self { file, salt, frames, rows, bytes, flushed, table: 0, body: Vec::new() };
        base.body.extend_from_slice(&MAGIC);
        for value in [about.low.0, about.through.0] {
            base.body.extend_from_slice(&value.to_le_bytes());
        }
        base.frame(FIRST)?;
        Ok(base)
    }

    /// Adds a row; says whether with it a frame was written.
    pub(in crate::embedded) fn push(
        &mut self,
        table: u8,
        key: &[u8],
        row: &[u8],
    ) -> io::Result<bool> {
        let full = self.body.len() >= FRAME_BYTES;
        let write = !self.body.is_empty() && (full || table != self.table);
        if write {
            self.frame(ROWS)?;
        }
        self.table = table;
        self.rows += 1;
        for bytes in [key, row] {
            varint::put(bytes.len() as u64, &mut self.body);
            self.body.extend_from_slice(bytes);
        }
        Ok(write)
    }

    /// Writes the end, durably.
    pub(in crate::embedded) fn finish(mut self) -> io::Result<()> {
        if !self.body.is_empty() {
            self.frame(ROWS)?;
        }
        self.body.extend_from_slice(&self.rows.to_le_bytes());
        self.frame(LAST)?;
        self.file.sync_all()
    }

    fn frame(&mut self, kind: u8) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES];
        head[0] = kind;
        head[1] = if kind == ROWS { self.table } else { 0 };
        let length = u32::try_from(self.body.len()).map_err(io::Error::other)?;
        head[4..8].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(self.salt, self.frames, &head, &self.body);
        head[8..].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(&self.body)?;
        self.frames += 1;
        self.bytes += (HEAD_BYTES + self.body.len()) as u64;
        self.body.clear();
        if self.bytes - self.flushed >= FLUSH_EVERY {
            self.file.sync_data()?;
            self.flushed = self.bytes;
        }
        Ok(())
    }
}

/// Gets table, key and row, and how many bytes of the file are read.
type Each<'a, E> = dyn FnMut(u8, &[u8], &[u8], u64) -> Result<(), E> + 'a;

/// Reads the base in `path` through, and shows each row with how many bytes are read; `None` where there is none. What
/// comes of the rows counts for nothing where something is wrong further on.
pub(in crate::embedded) fn read<E: From<Wrong>>(
    path: &Path,
    salt: Salt,
    each: &mut Each<'_, E>,
) -> Result<Option<About>, E> {
    let wrong = |error| E::from(Wrong::Unread(error));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(wrong)?,
    };
    let bytes = file.metadata().map_err(wrong)?.len();
    let file = BufReader::with_capacity(256 * 1024, file);
    let mut from = Frames { file, at: 0, bytes, number: 0, salt, body: Vec::new() };
    let (FIRST, _) = from.next()? else {
        return Err(from.damaged("it does not begin as a base").into());
    };
    let Some(about) = decode_about(&from.body, bytes) else {
        return Err(from.damaged("it is no base of this version").into());
    };
    let mut rows = 0;
    loop {
        let (kind, table) = from.next()?;
        let mut body = &from.body[..];
        match kind {
            ROWS => {
                while !body.is_empty() {
                    let row = part(&mut body).zip(part(&mut body));
                    let Some((key, row)) = row else {
                        return Err(from.damaged("a row is malformed").into());
                    };
                    rows += 1;
                    each(table, key, row, from.at)?;
                }
            }
            LAST if body == u64::to_le_bytes(rows) && from.at == bytes => {
                return Ok(Some(About { rows, ..about }));
            }
            _ => return Err(from.damaged("it ends otherwise than it was written").into()),
        }
    }
}

/// What the base in `path` says of itself; its rows are not read.
pub(in crate::embedded) fn about(path: &Path, salt: Salt) -> Result<Option<About>, Wrong> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => about_of(opened?, salt).map(Some),
    }
}

/// The same of the one in an open file, at whose beginning it is.
pub(in crate::embedded) fn about_of(file: File, salt: Salt) -> Result<About, Wrong> {
    let bytes = file.metadata()?.len();
    let file = BufReader::new(file);
    let mut from = Frames { file, at: 0, bytes, number: 0, salt, body: Vec::new() };
    let (kind, _) = from.next()?;
    let about = decode_about(&from.body, bytes).filter(|_| kind == FIRST);
    about.ok_or_else(|| from.damaged("it is no base of this version"))
}

struct Frames {
    file: BufReader<File>,
    at: u64,
    bytes: u64,
    number: u64,
    salt: Salt,
    body: Vec<u8>,
}

impl Frames {
    /// Reads a frame; its kind and its table.
    fn next(&mut self) -> Result<(u8, u8), Wrong> {
        let mut head = [0; HEAD_BYTES];
        let left = self.bytes - self.at;
        let Some(room) = left.checked_sub(HEAD_BYTES as u64) else {
            return Err(self.damaged("it is cut short"));
        };
        self.file.read_exact(&mut head)?;
        let [kind, table, _, _, l0, l1, l2, l3, rest @ ..] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if u64::from(length) > room {
            return Err(self.damaged("it is cut short"));
        }
        self.body.resize(length as usize, 0);
        self.file.read_exact(&mut self.body)?;
        head[8..].fill(0);
        if checksum(self.salt, self.number, &head, &self.body) != u32::from_le_bytes(rest) {
            return Err(self.damaged("it fails its checksum, or belongs to other data"));
        }
        self.number += 1;
        self.at += (HEAD_BYTES + self.body.len()) as u64;
        Ok((kind, table))
    }

    fn damaged(&self, what: &'static str) -> Wrong {
        Wrong::Damaged(self.at, what)
    }
}

fn decode_about(body: &[u8], bytes: u64) -> Option<About> {
    let (values, []) = body.strip_prefix(&MAGIC)?.as_chunks::<8>() else { return None };
    let [low, through] = *values else { return None };
    let (low, through) = (Position(u64::from_le_bytes(low)), Position(u64::from_le_bytes(through)));
    Some(About { low, through, bytes, rows: 0 })
}

fn part<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::take(body)?).ok()?;
    let (part, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(part)
}

fn checksum(salt: Salt, number: u64, head: &[u8; HEAD_BYTES], body: &[u8]) -> u32 {
    let checksum = crc32c::crc32c(&salt.0.to_le_bytes());
    let checksum = crc32c::crc32c_append(checksum, &number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(checksum, &head[..8]), body)
}

/// The base in a data directory, and one that is being written there.
pub(in crate::embedded) fn path(dir: &Path) -> PathBuf {
    dir.join("base")
}

/// See [`path`].
pub(in crate::embedded) fn draft(dir: &Path) -> PathBuf {
    dir.join("base.new")
}
