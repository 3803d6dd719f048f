//! What a data directory takes on its disk, and what is left there.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Blocks of `st_blocks`, whatever the file system uses.
const BLOCK_BYTES: u64 = 512;

/// Bytes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Free for this process; what is kept for the superuser is not.
    pub free_bytes: u64,
    /// Taken by the log.
    pub log_bytes: u64,
    /// Taken by the index.
    pub index_bytes: u64,
}

/// Looks at the data directory, which a server may be using.
///
/// # Errors
/// When it cannot be read.
pub fn sizes(data_dir: &Path) -> io::Result<Sizes> {
    Ok(Sizes {
        free_bytes: super::sys::free_bytes(data_dir)?,
        log_bytes: taken(&data_dir.join("log"))?,
        index_bytes: taken(&data_dir.join("index"))?,
    })
}

/// Bytes that everything below a folder takes. What goes away meanwhile takes nothing.
fn taken(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = match entry.metadata() {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        sum += about.blocks() * BLOCK_BYTES;
        if about.is_dir() {
            sum += match taken(&entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                below => below?,
            };
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_all_depths_count() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["log", "index/a/b"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("log/one"), vec![1; 100_000]).unwrap();
        std::fs::write(dir.path().join("index/a/b/two"), vec![1; 50_000]).unwrap();
        std::fs::write(dir.path().join("index/three"), vec![1; 50_000]).unwrap();
        // A file system may count later what it has not written yet.
        std::fs::File::open(dir.path().join("log/one")).unwrap().sync_all().unwrap();
        std::fs::File::open(dir.path().join("index/a/b/two")).unwrap().sync_all().unwrap();
        std::fs::File::open(dir.path().join("index/three")).unwrap().sync_all().unwrap();
        let sizes = sizes(dir.path()).unwrap();
        assert!(sizes.log_bytes >= 100_000 && sizes.index_bytes >= 100_000, "{sizes:?}");
        assert!(sizes.free_bytes > 0);
    }
}
