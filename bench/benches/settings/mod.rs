//! How every bench is run: short, as there are many and their noise comes from the machine.

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;
use openim_record::{PartitionId, Position};
use openim_storage::port::{Handed, Outcome, Produce};

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

/// Hands records into a log that decides at once, and adds where they lie to `positions`.
#[allow(dead_code, reason = "not every bench has a log")]
pub(crate) fn land(
    log: &mut dyn Produce,
    records: &[Handed<'_>],
    now_ms: i64,
    positions: &mut Vec<Position>,
) {
    log.submit(records, now_ms);
    log.poll(Duration::ZERO, &mut |outcome| match outcome {
        Outcome::Landed { positions: places, .. } => positions.extend_from_slice(places),
        Outcome::Refused { cause, .. } => panic!("{cause}"),
    });
}

/// Records as they are handed in.
#[allow(dead_code, reason = "not every bench has a log")]
pub(crate) fn handed(records: &[Vec<u8>]) -> Vec<Handed<'_>> {
    let partition = PartitionId(0);
    records.iter().map(|record| Handed { partition, record }).collect()
}
