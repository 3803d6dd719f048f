//! A standby is begun in the directory of a backup: it is refused, and the backup stays what it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::{back_up, setup};
use crate::support::engine::embedded_only;

#[test]
fn and_the_standby_is_refused() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let server = setup().start();
    let copy = server.data_dir().with_file_name("copy");
    back_up(&server, &copy);
    let before = files(&copy);
    let standby = setup().standby_of(&server).data_dir(&copy);
    standby.refused().assert_one_line_with(&["is a copy", "openim restore"]);
    assert_eq!(files(&copy), before);
}

/// Every file and what is in it.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("one").path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push((path.clone(), fs::read(&path).expect("read"))),
        }
    }
    files.sort();
    files
}
