//! The disk under the data directory: what it is, what is free, how long a flush takes.
//!
//! In: a directory, which need not be there yet. Out: figures. Writes one small file of its own, and removes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flushes that are timed.
const FLUSHES: usize = 50;
/// On a disk that is very slow fewer are.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(5);
/// Names that are tried for its file.
const DRAFTS_MAX: u32 = 16;
const PAGE: [u8; 4096] = [0x5a; 4096];

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Disk {
    /// What was looked at: the directory, or the one above it that is there.
    pub(super) looked_at: PathBuf,
    /// The file system, as the kernel calls it.
    pub(super) kind: Option<String>,
    pub(super) free_bytes: Option<u64>,
    /// How long a flush of a page took, half of them and all but one in a hundred; or why none could be tried.
    pub(super) flush: Option<Result<Flush, String>>,
}

/// Times of flushes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flush {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) times: usize,
}

impl Disk {
    pub(super) fn look(data_dir: &Path) -> Self {
        let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let there = absolute.ancestors().find(|place| place.is_dir());
        let place = there.unwrap_or(Path::new("/")).to_owned();
        let real = fs::canonicalize(&place).unwrap_or_else(|_| place.clone());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let space = rustix::fs::statvfs(&real).ok();
        Self {
            kind: kind(&mounts, &real),
            free_bytes: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            flush: Some(flush(&place).map_err(|cause| cause.to_string())),
            looked_at: place,
        }
    }
}

/// The file system of a place: the mount whose name is the longest beginning of it, the later one of two that are the same.
fn kind(mounts: &str, place: &Path) -> Option<String> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((before, behind)) = line.split_once(" - ") else { continue };
        let Some(point) = before.split(' ').nth(4) else { continue };
        let point = point.replace("\\040", " ");
        let longest = found.is_none_or(|(length, _)| point.len() >= length);
        if place.starts_with(&point) && longest {
            found = behind.split(' ').next().map(|kind| (point.len(), kind));
        }
    }
    found.map(|(_, kind)| kind.to_owned())
}

/// A file that is gone when it is dropped.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // Nobody is harmed by one that stays.
        drop(fs::remove_file(&self.0));
    }
}

/// A new file under a name that nothing has: what is there is somebody's.
fn draft(place: &Path) -> io::Result<(Draft, File)> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut taken = io::ErrorKind::AlreadyExists.into();
    for number in 0..DRAFTS_MAX {
        let path = place.join(format!(".openim-doctor-{number}.tmp"));
        match options.open(&path) {
            Ok(file) => return Ok((Draft(path), file)),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => taken = cause,
            Err(cause) => return Err(cause),
        }
    }
    Err(taken)
}

fn flush(place: &Path) -> io::Result<Flush> {
    let (_draft, file) = draft(place)?;
    // As the log does: room is made ahead, so that a flush is one of data.
    file.write_all_at(&[0; PAGE.len() * 2], 0)?;
    file.sync_all()?;
    let begun = Instant::now();
    let mut times = Vec::with_capacity(FLUSHES);
    while times.len() < FLUSHES && begun.elapsed() < FLUSH_TIME_MAX {
        let at = Instant::now();
        file.write_all_at(&PAGE, 0)?;
        file.sync_data()?;
        times.push(at.elapsed());
    }
    times.sort_unstable();
    let part = |of_100: usize| times[(times.len() * of_100 / 100).min(times.len() - 1)];
    Ok(Flush { p50: part(50), p99: part(99), times: times.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_counts() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /data rw,x shared:1 - xfs /dev/b rw\n\
                      3 1 0:3 / /data\\040two rw - tmpfs t rw\n4 1 0:4 / /data rw - btrfs b rw\n";
        for (place, expected) in
            [("/", "ext4"), ("/datax", "ext4"), ("/data/openim", "btrfs"), ("/data two/x", "tmpfs")]
        {
            assert_eq!(kind(mounts, Path::new(place)).as_deref(), Some(expected), "{place}");
        }
        assert_eq!(kind("", Path::new("/")), None);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_looked_at_above_and_nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::look(&dir.path().join("not/yet"));
        assert_eq!(disk.looked_at, dir.path());
        let flush = disk.flush.unwrap().unwrap();
        assert!(flush.times > 0 && flush.p50 <= flush.p99);
        assert!(disk.free_bytes.is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_has_its_name_is_left_as_it_is() {
        let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = [0, 1].map(|number| dir.path().join(format!(".openim-doctor-{number}.tmp")));
        fs::write(&names[0], "of somebody").unwrap();
        let linked = target.path().join("linked");
        fs::write(&linked, "of somebody").unwrap();
        std::os::unix::fs::symlink(&linked, &names[1]).unwrap();
        assert!(flush(dir.path()).unwrap().times > 0);
        for path in [&names[0], &names[1], &linked] {
            assert_eq!(fs::read_to_string(path).unwrap(), "of somebody");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
