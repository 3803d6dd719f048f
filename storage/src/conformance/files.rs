//! Data directories as tests handle them.

use std::fs;
use std::path::{Path, PathBuf};

/// Copies a directory as it is now, as `kill -9` would leave it to whoever has it open.
///
/// # Panics
/// When that cannot be done.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed").path();
        let to = to.join(entry.file_name().expect("a name"));
        match entry.is_dir() {
            true => copy(&entry, &to),
            // Another thread may have removed it.
            false => drop(fs::copy(&entry, &to)),
        }
    }
}

/// Makes the data in a directory one of the form before this one, which a start takes over.
///
/// # Panics
/// When it is not of this form.
pub fn earlier_form(data: &Path) {
    let file = data.join("format");
    let now = fs::read_to_string(&file).expect("read");
    let body = now.replace("version = 3", "version = 2");
    let body = body.split_once("check = ").expect("a checksum").0;
    let older = format!("{body}check = {:08x}\n", crc32c::crc32c(body.as_bytes()));
    assert_ne!(older, now);
    fs::write(&file, older).expect("written");
}

/// All files in a directory and below.
///
/// # Panics
/// When they cannot be listed.
#[must_use]
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("listed").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
