//! The file of the journal of links: a ring of slots of one size.
//!
//! In: slots. Out: the same, all of them. It keeps a journal and no truth: what the last second before a power cut wrote may be
//! missing, a file that is not whole begins anew, and nothing waits for a flush. Never: looks into a slot, but for its
//! emptiness.
//!
//! ```text
//! file = head (4096 bytes), slot*
//! head = "openim links 1\n\0", slot bytes u32, slots u32, next u32, full u32, alive i64, known from i64, crc32c u32
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Its name in the data directory.
pub const LINKS_FILE: &str = "links";
const MAGIC: [u8; 16] = *b"openim links 1\n\0";
const HEAD_BYTES: u64 = 4096;
const HEAD: usize = 16 + 4 * 4 + 2 * 8;
/// Slots that are read at a time.
const PART: usize = 8192;

/// See the module.
#[derive(Debug)]
pub struct LinksFile<const N: usize> {
    file: File,
    slots: u32,
    /// Where the next one goes.
    next: u32,
    /// The ring has come round.
    full: bool,
    /// When it was last written, unix milliseconds.
    alive_ms: i64,
    known_from_ms: i64,
    /// Written at the next flush.
    unwritten: BTreeMap<u32, [u8; N]>,
}

impl<const N: usize> LinksFile<N> {
    /// Opens or makes the file in `dir` for about `bytes_max` bytes. One that is none, or of another size, begins anew.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(dir: &Path, bytes_max: u64, now_ms: i64) -> io::Result<Self> {
        let slots = (bytes_max.saturating_sub(HEAD_BYTES) / N as u64).clamp(64, 1 << 28);
        let slots = u32::try_from(slots).unwrap_or(64);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LINKS_FILE))?;
        let mut head = [0; HEAD + 4];
        let read = file.read_exact_at(&mut head, 0).is_ok();
        if let Some(found) = read.then(|| Self::read_head(&head, slots)).flatten() {
            let (next, full, alive_ms, known_from_ms) = found;
            let unwritten = BTreeMap::new();
            return Ok(Self { file, slots, next, full, alive_ms, known_from_ms, unwritten });
        }
        file.set_len(0)?;
        let (next, full, unwritten) = (0, false, BTreeMap::new());
        let (alive_ms, known_from_ms) = (now_ms, now_ms);
        Ok(Self { file, slots, next, full, alive_ms, known_from_ms, unwritten })
    }

    fn read_head(head: &[u8; HEAD + 4], slots: u32) -> Option<(u32, bool, i64, i64)> {
        let (head, crc) = head.split_first_chunk::<HEAD>()?;
        let crc = u32::from_le_bytes(crc.try_into().ok()?);
        let (magic, rest) = head.split_first_chunk::<16>()?;
        if *magic != MAGIC || crc32c::crc32c(head) != crc {
            return None;
        }
        let (words, times) = rest.split_first_chunk::<16>()?;
        let word =
            |at: usize| words.as_chunks::<4>().0.get(at).map(|word| u32::from_le_bytes(*word));
        let time =
            |at: usize| times.as_chunks::<8>().0.get(at).map(|time| i64::from_le_bytes(*time));
        let fits = word(0)? as usize == N && word(1)? == slots && word(2)? < slots;
        fits.then_some((word(2)?, word(3)? > 0, time(0)?, time(1)?))
    }

    /// When it was last written, unix milliseconds.
    #[must_use]
    pub const fn alive_ms(&self) -> i64 {
        self.alive_ms
    }

    /// Since when nothing is missing, unix milliseconds.
    #[must_use]
    pub const fn known_from_ms(&self) -> i64 {
        self.known_from_ms
    }

    /// Something of before this moment is missing.
    pub fn forget_before(&mut self, unix_ms: i64) {
        self.known_from_ms = self.known_from_ms.max(unix_ms);
    }

    /// Slots that it has room for, and those that are used.
    #[must_use]
    pub const fn len(&self) -> (u32, u32) {
        (self.slots, if self.full { self.slots } else { self.next })
    }

    /// Where the next slot goes.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// What lies there now.
    ///
    /// # Errors
    /// The file system's.
    pub fn peek(&self) -> io::Result<Option<[u8; N]>> {
        if self.full { self.read(self.next) } else { Ok(None) }
    }

    /// Leaves the next `count` slots as they are; no more than there are.
    pub const fn skip(&mut self, count: u32) {
        let left = self.slots - self.next;
        if count < left {
            self.next += count;
        } else {
            self.next = count - left;
            self.full = true;
        }
    }

    /// Writes a slot in the place of the oldest; where it lies.
    pub fn push(&mut self, slot: [u8; N]) -> u32 {
        let at = self.next;
        self.put(at, slot);
        self.skip(1);
        at
    }

    /// Writes a slot anew.
    pub fn put(&mut self, at: u32, slot: [u8; N]) {
        self.unwritten.insert(at, slot);
    }

    fn read(&self, at: u32) -> io::Result<Option<[u8; N]>> {
        if let Some(slot) = self.unwritten.get(&at) {
            return Ok(Some(*slot));
        }
        let mut slot = [0; N];
        match self.file.read_exact_at(&mut slot, place::<N>(at)) {
            Ok(()) => Ok(Some(slot)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Slots that wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Lets go of what waits to be written: before this moment something is missing.
    pub fn give_up(&mut self, now_ms: i64) {
        self.unwritten.clear();
        self.forget_before(now_ms);
    }

    /// Hands what is new to the system; how many slots that were.
    ///
    /// # Errors
    /// The file system's; what was not written is kept for the next time.
    pub fn flush(&mut self, now_ms: i64) -> io::Result<usize> {
        let count = self.unwritten.len();
        let mut run: Vec<u8> = Vec::new();
        let mut first = 0;
        let mut next = None;
        for (&at, slot) in &self.unwritten {
            if next != Some(at) {
                if !run.is_empty() {
                    self.file.write_all_at(&run, place::<N>(first))?;
                    run.clear();
                }
                first = at;
            }
            run.extend_from_slice(slot);
            next = Some(at + 1);
        }
        if !run.is_empty() {
            self.file.write_all_at(&run, place::<N>(first))?;
        }
        self.unwritten.clear();
        self.alive_ms = now_ms;
        let mut head = Vec::with_capacity(HEAD + 4);
        head.extend_from_slice(&MAGIC);
        let slot_bytes = u32::try_from(N).unwrap_or(u32::MAX);
        for word in [slot_bytes, self.slots, self.next, u32::from(self.full)] {
            head.extend_from_slice(&word.to_le_bytes());
        }
        for time in [self.alive_ms, self.known_from_ms] {
            head.extend_from_slice(&time.to_le_bytes());
        }
        head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
        self.file.write_all_at(&head, 0)?;
        Ok(count)
    }

    /// Shows every slot, in no order; those that were never written are zeros, or not shown.
    ///
    /// # Errors
    /// The file system's.
    pub fn scan(&self, each: &mut dyn FnMut(u32, &[u8; N])) -> io::Result<()> {
        let used = self.len().1;
        let mut part = vec![0; PART * N];
        let mut at = 0;
        while at < used {
            let count = (used - at).min(PART as u32);
            let bytes = part.get_mut(..count as usize * N).unwrap_or_default();
            read_what_is_there(&self.file, bytes, place::<N>(at))?;
            for (slot, place) in bytes.as_chunks::<N>().0.iter().zip(at..) {
                each(place, self.unwritten.get(&place).unwrap_or(slot));
            }
            at += count;
        }
        Ok(())
    }
}

const fn place<const N: usize>(at: u32) -> u64 {
    HEAD_BYTES + at as u64 * N as u64
}

/// Reads up to the end of the file; zeros behind it.
fn read_what_is_there(file: &File, bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        match file.read_at(left, at) {
            Ok(0) => break,
            Ok(count) => {
                at += count as u64;
                left = left.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    left.fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Links = LinksFile<16>;
    const BYTES: u64 = HEAD_BYTES + 64 * 16;

    fn all(links: &Links) -> Vec<u8> {
        let mut found = Vec::new();
        links.scan(&mut |_, slot| found.push(slot[0])).unwrap();
        found.retain(|first| *first > 0);
        found.sort_unstable();
        found
    }

    #[test]
    fn what_was_written_is_there_again_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut links = Links::open(dir.path(), BYTES, 100).unwrap();
        assert_eq!(links.known_from_ms(), 100);
        for n in 1..=70_u8 {
            let (at, before) = (links.next(), links.peek().unwrap());
            assert_eq!(before.map(|slot| slot[0]), (n > 64).then(|| n - 64));
            assert_eq!(links.push([n; 16]), at);
        }
        assert_eq!(all(&links), (7..=70).collect::<Vec<_>>(), "also what is not written yet");
        links.flush(200).unwrap();
        links.put(9, [99; 16]);
        links.flush(300).unwrap();
        drop(links);
        let links = Links::open(dir.path(), BYTES, 900).unwrap();
        assert_eq!((links.alive_ms(), links.known_from_ms()), (300, 100));
        let mut expected: Vec<u8> = (7..=70).filter(|n| *n != 10).collect();
        expected.push(99);
        assert_eq!(all(&links), expected);
        assert_eq!(links.next(), 6);
    }

    /// As with a full disk.
    #[test]
    fn what_cannot_be_written_is_kept_until_it_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut links = Links::open(dir.path(), BYTES, 100).unwrap();
        links.push([1; 16]);
        links.flush(200).unwrap();
        let writable =
            std::mem::replace(&mut links.file, File::open(dir.path().join(LINKS_FILE)).unwrap());
        links.push([2; 16]);
        assert!(links.flush(300).is_err());
        assert_eq!((links.unwritten(), all(&links)), (1, vec![1, 2]));
        links.give_up(400);
        assert_eq!((links.unwritten(), all(&links), links.known_from_ms()), (0, vec![1], 400));
        links.file = writable;
        links.push([3; 16]);
        links.flush(500).unwrap();
        assert_eq!(all(&Links::open(dir.path(), BYTES, 900).unwrap()), [1, 3]);
    }

    #[test]
    fn what_is_none_or_of_another_size_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut links = Links::open(dir.path(), BYTES, 100).unwrap();
        links.push([1; 16]);
        links.flush(100).unwrap();
        assert_eq!(all(&Links::open(dir.path(), BYTES, 200).unwrap()), [1]);
        assert!(all(&Links::open(dir.path(), BYTES + 160, 200).unwrap()).is_empty());
        std::fs::write(dir.path().join(LINKS_FILE), b"something").unwrap();
        let links = Links::open(dir.path(), BYTES, 300).unwrap();
        assert_eq!((all(&links), links.known_from_ms()), (Vec::new(), 300));
    }
}
