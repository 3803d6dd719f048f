//! Files of lines: a new one each day and at a bound of bytes, and no more than a number of them.
//!
//! In: one whole line a write, on the writer's own thread. Out: `PREFIX.2021-06-01.log`, when that is full
//! `PREFIX.2021-06-01.1.log` and so on; the oldest are removed. A file that somebody moved away is noticed
//! within a second, or at once when [`Reopen`] says so, and begun again under its name. The first line of
//! each file says what runs.
//!
//! Never: an error. A line that cannot be written is counted; opening is tried again after a second.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::line::date;

/// Between two looks whether the file is still in its place, and between two tries to open one.
const LOOK: Duration = Duration::from_secs(1);

/// Asks all files to be opened anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Reopen(Arc<AtomicU64>);

impl Reopen {
    pub(super) fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the files are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) prefix: &'static str,
    /// 0: no bound.
    pub(super) bytes_max: u64,
    pub(super) files_max: usize,
    /// Written at the beginning of each file, once it is known.
    pub(super) head: Arc<OnceLock<String>>,
    pub(super) reopen: Reopen,
    /// Lines that could not be written.
    pub(super) lost: Arc<AtomicU64>,
}

/// See the module.
pub(super) struct Files {
    place: Place,
    clock: fn() -> SystemTime,
    open: Option<Open>,
    looked: Instant,
    reopened: u64,
}

struct Open {
    file: File,
    name: Name,
    bytes: u64,
    inode: u64,
}

/// The day and the number within it, in the order in which files are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    date: String,
    number: u32,
}

impl Place {
    fn path(&self, name: &Name) -> PathBuf {
        let (prefix, date) = (self.prefix, &name.date);
        self.folder.join(match name.number {
            0 => format!("{prefix}.{date}.log"),
            number => format!("{prefix}.{date}.{number}.log"),
        })
    }

    /// The files that are there, oldest first. What has another name is somebody else's.
    fn names(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().to_str().and_then(|name| self.read_name(name)));
        }
        names.sort();
        Ok(names)
    }

    fn read_name(&self, name: &str) -> Option<Name> {
        let middle = name.strip_prefix(self.prefix)?.strip_prefix('.')?.strip_suffix(".log")?;
        let (date, number) = match middle.split_once('.') {
            None => (middle, 0),
            Some((date, number)) => (date, number.parse().ok().filter(|number| *number > 0)?),
        };
        let digits = date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        (digits && date.len() == 10).then(|| Name { date: date.to_owned(), number })
    }
}

impl Files {
    /// Opens the file of today.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub(super) fn open(place: Place, clock: fn() -> SystemTime) -> io::Result<Files> {
        std::fs::create_dir_all(&place.folder)?;
        let reopened = place.reopen.asked();
        let mut files = Files { place, clock, open: None, looked: Instant::now(), reopened };
        files.begin(&date(clock()), 0)?;
        Ok(files)
    }

    /// Goes on with the newest file of a day that has room, or begins the next one behind `above`.
    fn begin(&mut self, date: &str, above: u32) -> io::Result<()> {
        let newest = self.place.names()?.into_iter().rfind(|name| name.date == *date);
        let mut number = newest.map_or(0, |name| name.number).max(above);
        let (mut open, name) = loop {
            let name = Name { date: date.to_owned(), number };
            let path = self.place.path(&name);
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            let about = file.metadata()?;
            let open = Open { file, bytes: about.len(), inode: about.ino(), name: name.clone() };
            if !self.is_full(open.bytes) {
                break (open, name);
            }
            number += 1;
        };
        if open.bytes == 0
            && let Some(head) = self.place.head.get()
        {
            open.file.write_all(head.as_bytes())?;
            open.bytes = head.len() as u64;
        }
        self.open = Some(open);
        self.remove_old(&name)
    }

    fn is_full(&self, bytes: u64) -> bool {
        self.place.bytes_max > 0 && bytes >= self.place.bytes_max
    }

    fn remove_old(&self, current: &Name) -> io::Result<()> {
        let names = self.place.names()?;
        let surplus = names.len().saturating_sub(self.place.files_max.max(1));
        for name in names.iter().filter(|name| *name != current).take(surplus) {
            std::fs::remove_file(self.place.path(name))?;
        }
        Ok(())
    }

    /// Makes sure that the right file is open and has room for `more` bytes.
    fn ready(&mut self, more: usize) -> io::Result<()> {
        let asked = self.place.reopen.asked();
        let look = asked != self.reopened || self.looked.elapsed() >= LOOK;
        if self.open.is_none() && !look {
            return Err(io::ErrorKind::NotFound.into());
        }
        let today = if look { Some(date((self.clock)())) } else { None };
        if look {
            self.looked = Instant::now();
            self.reopened = asked;
        }
        let Some(open) = &self.open else {
            return self.begin(&today.unwrap_or_default(), 0);
        };
        let (old_day, full) = (
            today.as_ref().is_some_and(|today| *today != open.name.date),
            open.bytes > 0 && self.is_full((open.bytes + more as u64).saturating_sub(1)),
        );
        let moved = look
            && std::fs::metadata(self.place.path(&open.name))
                .map_or(true, |there| there.ino() != open.inode);
        if !old_day && !full && !moved {
            return Ok(());
        }
        let name = open.name.clone();
        self.open = None;
        match full && !moved {
            true => self.begin(&today.unwrap_or(name.date), name.number + 1),
            false => self.begin(&today.unwrap_or(name.date), 0),
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.ready(line.len())?;
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        Ok(())
    }
}

impl Write for Files {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.append(line).is_err() {
            self.place.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::UNIX_EPOCH;

    use super::*;

    fn first_day() -> SystemTime {
        UNIX_EPOCH
    }

    fn second_day() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(86_400)
    }

    fn place(folder: &tempfile::TempDir, bytes_max: u64, files_max: usize) -> Place {
        Place {
            folder: folder.path().join("logs"),
            prefix: "openim",
            bytes_max,
            files_max,
            head: Arc::default(),
            reopen: Reopen::default(),
            lost: Arc::default(),
        }
    }

    fn listed(place: &Place) -> Vec<(String, String)> {
        let read = |name: &Name| {
            let path = place.path(name);
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            (file, fs::read_to_string(path).unwrap())
        };
        place.names().unwrap().iter().map(read).collect()
    }

    fn say(files: &mut Files, line: &str) {
        files.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_full_file_is_followed_by_the_next_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, 8, 3);
        let mut files = Files::open(place.clone(), first_day).unwrap();
        fs::write(place.folder.join("openim.notes.log"), "mine").unwrap();
        fs::write(place.folder.join("openim.1970-01-01.log.1"), "moved").unwrap();
        for line in ["one", "two", "three", "four", "five", "six", "seven"] {
            say(&mut files, line);
        }
        let expected = [
            pair("openim.1970-01-01.3.log", "five\n"),
            pair("openim.1970-01-01.4.log", "six\n"),
            pair("openim.1970-01-01.5.log", "seven\n"),
        ];
        assert_eq!(listed(&place), expected);
        assert_eq!(fs::read_dir(&place.folder).unwrap().count(), 5, "others' files stay");
        // A restart goes on with the newest one.
        let mut files = Files::open(place.clone(), first_day).unwrap();
        say(&mut files, "8");
        assert_eq!(listed(&place)[2], pair("openim.1970-01-01.5.log", "seven\n8\n"));
        assert_eq!(place.lost.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_new_day_is_a_new_file_and_begins_with_what_runs() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, 0, 2);
        let mut files = Files::open(place.clone(), first_day).unwrap();
        say(&mut files, "one");
        place.head.set("head\n".to_owned()).unwrap();
        files.clock = second_day;
        place.reopen.ask();
        say(&mut files, "two");
        let expected =
            [pair("openim.1970-01-01.log", "one\n"), pair("openim.1970-01-02.log", "head\ntwo\n")];
        assert_eq!(listed(&place), expected);
    }

    #[test]
    fn a_file_that_was_moved_is_begun_again_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, 0, 5);
        let mut files = Files::open(place.clone(), first_day).unwrap();
        say(&mut files, "one");
        let moved = place.folder.join("openim.1970-01-01.log.1");
        fs::rename(place.folder.join("openim.1970-01-01.log"), &moved).unwrap();
        place.reopen.ask();
        say(&mut files, "two");
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\n");
        assert_eq!(listed(&place), [pair("openim.1970-01-01.log", "two\n")]);
    }

    #[test]
    fn a_folder_that_is_gone_costs_lines_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder, 0, 5);
        let mut files = Files::open(place.clone(), first_day).unwrap();
        fs::remove_dir_all(&place.folder).unwrap();
        place.reopen.ask();
        say(&mut files, "one");
        say(&mut files, "two");
        assert_eq!(place.lost.load(Ordering::Relaxed), 2);
        fs::create_dir(&place.folder).unwrap();
        place.reopen.ask();
        say(&mut files, "three");
        assert_eq!(listed(&place), [pair("openim.1970-01-01.log", "three\n")]);
    }
}
