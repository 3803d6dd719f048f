//! How every bench is run: short, as there are many and their noise comes from the machine.

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;

/// The runner, with the command line applied.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args()
}

/// A folder that is removed at the end, on the disk of the target folder: the system's own may lie in
/// memory, where a flush costs nothing.
#[allow(dead_code, reason = "not every bench touches the disk")]
pub(crate) fn folder() -> tempfile::TempDir {
    let beside: PathBuf = std::env::current_exe().expect("this program has a path");
    let beside = beside.parent().expect("a program is in a folder");
    tempfile::tempdir_in(beside).expect("the target folder can be written")
}
