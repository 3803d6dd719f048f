//! The system calls that `std` does not offer: space for a file ahead of writing, free space, reads that leave memory as it is.
//!
//! The only unsafe code of the crate. In: open files and paths; out: `io::Result`.
#![allow(
    unsafe_code,
    reason = "fallocate, statvfs, preadv2 and posix_fadvise have no safe counterpart in std"
)]

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

/// Has the system read no more of `file` than it is asked for.
pub(super) fn read_without_ahead(file: &File) {
    advise(file, 0, 0, libc::POSIX_FADV_RANDOM);
}

/// Reads all of `bytes` from `offset` on. What the system had to fetch for that it may forget again, so that who reads
/// much once takes no memory from those who read the same things often.
pub(super) fn read_aside(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let held = read_held(file, bytes, offset)?;
    if held == bytes.len() {
        return Ok(());
    }
    let (rest, from) = (&mut bytes[held..], offset + held as u64);
    file.read_exact_at(rest, from)?;
    advise(file, from, rest.len() as u64, libc::POSIX_FADV_DONTNEED);
    Ok(())
}

/// Reads what the system has in memory from `offset` on; how many bytes that is. 0 also where it cannot tell.
fn read_held(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: `part` describes `bytes`, which is borrowed for the whole call, as the descriptor is by `file`.
    let read = unsafe {
        libc::preadv2(file.as_raw_fd(), &raw const part, 1, to_off(offset)?, libc::RWF_NOWAIT)
    };
    // Whatever is wrong the read that waits says.
    Ok(usize::try_from(read).unwrap_or(0))
}

/// Says how a range of a file is used; the system may take no notice.
fn advise(file: &File, offset: u64, bytes: u64, advice: libc::c_int) {
    let (Ok(offset), Ok(bytes)) = (to_off(offset), to_off(bytes)) else { return };
    // SAFETY: the descriptor is open for the whole call because `file` is borrowed, and no memory of ours is used.
    let _code = unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, bytes, advice) };
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
    fn what_is_read_aside_is_what_is_there() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"abcdef", 0).unwrap();
        for _ in 0..2 {
            let mut bytes = [0; 3];
            read_aside(&file, &mut bytes, 2).unwrap();
            assert_eq!(&bytes, b"cde");
            assert!(read_aside(&file, &mut bytes, 4).is_err(), "no more than there is");
            advise(&file, 0, 0, libc::POSIX_FADV_DONTNEED);
        }
    }

    #[test]
    fn a_mounted_file_system_reports_its_room() {
        assert!(free_bytes(Path::new("/")).is_ok());
        assert!(free_bytes(Path::new("/no/such/place")).is_err());
    }
}
