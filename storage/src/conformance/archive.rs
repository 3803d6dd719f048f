//! What every archive must do.

use openim_record::Position;

use super::Wait as _;
use super::{Backend, Logs, Sample, Sites, encoded};
use crate::port::{Archive, Archived};

/// Runs the suite of [`Archive`].
///
/// # Panics
/// Where the contract is broken.
pub fn archive(sites: Sites<'_>) {
    persistent_messages_appear_once_in_log_order(sites);
    retention_leaves_the_archive_alone(sites);
}

type Shown = Vec<(Position, i64, Vec<u8>)>;

fn fill(
    log: &mut Logs,
    archive: &dyn Archive,
    numbers: std::ops::Range<u64>,
    now_ms: i64,
) -> Shown {
    let mut archived = Vec::new();
    for n in numbers {
        let samples = [n * 3, n * 3 + 1, n * 3 + 2]
            .map(|number| Sample { persistent: number % 4 != 0, ..Sample::new(number) });
        let records = samples.map(encoded);
        let mut positions = Vec::new();
        let refs: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        log.append(&refs, now_ms, &mut positions).expect("appended");
        let all: Vec<_> = positions
            .iter()
            .zip(&refs)
            .map(|(&position, &record)| Archived { position, append_ms: now_ms, record })
            .collect();
        // Whoever consumes the log may do so again.
        for _ in 0..2 {
            archive.append(&all).wait().expect("archived");
        }
        for ((sample, record), position) in samples.into_iter().zip(records).zip(positions) {
            if sample.persistent {
                archived.push((position, now_ms, record));
            }
        }
    }
    archived
}

fn scan_all(archive: &dyn Archive, messages_max: usize) -> Shown {
    let mut shown: Shown = Vec::new();
    let mut from = Position(0);
    loop {
        let before = shown.len();
        let next = archive
            .scan(from, messages_max, &mut |archived| {
                shown.push((archived.position, archived.append_ms, archived.record.to_vec()));
            })
            .wait();
        assert!(shown.len() - before <= messages_max, "more than asked for");
        match next.expect("the archive can be read") {
            Some(next) => {
                assert!(next > from || shown.len() > before, "the scan does not move");
                from = next;
            }
            None => return shown,
        }
    }
}

fn persistent_messages_appear_once_in_log_order(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, archive, .. } = site.open();
    assert!(scan_all(&*archive, 10).is_empty());
    let mut expected = fill(&mut log, &*archive, 0..40, 500);
    drop((log, archive));
    let Backend { mut log, archive, .. } = site.open();
    expected.extend(fill(&mut log, &*archive, 40..60, 600));
    for messages_max in [1, 2, 7, 1_000] {
        assert_eq!(scan_all(&*archive, messages_max), expected, "{messages_max} at a time");
    }
    let half = expected[50].0;
    let mut first = None;
    archive
        .scan(half, 1, &mut |archived| first = Some(archived.position))
        .wait()
        .expect("the archive can be read");
    assert_eq!(first, Some(half));
}

fn retention_leaves_the_archive_alone(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, archive, history, .. } = site.open();
    let expected = fill(&mut log, &*archive, 0..300, 500);
    let applied = vec![(openim_record::PartitionId(0), log.head())];
    let batch = openim_record::StoreBatch { applied, ..Default::default() };
    history.store(&batch).wait().expect("stored");
    while history.retain(10_000, 100).wait().expect("retained").more {}
    assert_eq!(scan_all(&*archive, 50), expected);
    drop((log, archive, history));
    assert_eq!(scan_all(&*site.open().archive, 50), expected);
}
