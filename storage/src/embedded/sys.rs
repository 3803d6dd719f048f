//! The system calls that `std` does not offer: space for a file ahead of writing, and free space.
//!
//! The only unsafe code of the crate. In: open files and paths; out: `io::Result`.
#![allow(unsafe_code, reason = "fallocate and statvfs have no safe counterpart in std")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Gives `file` zeroed space for `offset..offset + bytes`, extending it if it is shorter.
///
/// Bytes already written in that range keep their value only where the file system supports
/// `fallocate`; callers therefore ask only for ranges at or beyond the end of the file.
pub(super) fn allocate(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    let (start, length) = (to_off(offset)?, to_off(bytes)?);
    loop {
        // SAFETY: the descriptor is open for the whole call because `file` is borrowed, and
        // fallocate reads no memory of ours.
        let code = unsafe { libc::fallocate(file.as_raw_fd(), 0, start, length) };
        if code == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return write_zeros(file, offset, bytes),
            _ => return Err(error),
        }
    }
}

/// Bytes that an ordinary user may still write to the file system that holds `path`.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `name` is NUL-terminated and `stat` has room for the structure the call fills in.
    let code = unsafe { libc::statvfs(name.as_ptr(), stat.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statvfs returned 0, so it wrote the structure.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The error that stands for a device which has no room left.
pub(super) fn no_space() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

/// Whether `error` says that the device or the quota is full.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// Whether `error` says that the device cannot give what it holds.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EILSEQ | libc::EBADMSG))
}

fn to_off(value: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn write_zeros(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut done = 0;
    while done < bytes {
        let step = (bytes - done).min(CHUNK.len() as u64);
        file.write_all_at(&CHUNK[..step as usize], offset + done)?;
        done += step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocated_space_reads_as_zeros() {
        let file = tempfile::tempfile().unwrap();
        allocate(&file, 10, 100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_010);
        let mut bytes = vec![1; 100_010];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn zeros_are_written_where_the_file_system_has_no_fallocate() {
        let file = tempfile::tempfile().unwrap();
        write_zeros(&file, 3, 70_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 70_003);
    }

    #[test]
    fn a_mounted_file_system_reports_its_room() {
        assert!(free_bytes(Path::new("/")).is_ok());
        assert!(free_bytes(Path::new("/no/such/place")).is_err());
    }
}
