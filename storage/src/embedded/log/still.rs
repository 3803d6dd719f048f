//! A log that nobody writes: where its segments are and where it ends.
//!
//! In: the folder. Never: writes a byte, or judges what lies before the end; who reads that finds out.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::frame::{BATCH_HEAD_BYTES, BatchHead, SEGMENT_HEAD_BYTES, Salt, SegmentHead};
use super::recover::lengths;
use super::segments::segment_path;
use super::walk::{Step, Walk};
use crate::embedded::error::io_error;
use crate::port::{Spot, StoreError};

/// Where each segment begins and ends, and where the last whole batch does.
pub(in crate::embedded) fn still(
    dir: &Path,
    salt: Salt,
) -> Result<(Vec<(u64, u64)>, u64), StoreError> {
    let lengths = lengths(dir)?;
    let mut list: Vec<(u64, u64)> =
        lengths.iter().map(|(base, bytes)| (*base, base + bytes)).collect();
    let Some((base, end)) = list.last_mut() else { return Ok((list, 0)) };
    let path = segment_path(dir, *base);
    let failed = || io_error(format!("reading {}", path.display()));
    let file = File::open(&path).map_err(failed())?;
    // What a start would believe must not be in memory alone when somebody else has it.
    file.sync_all().map_err(failed())?;
    let mut head = [0; SEGMENT_HEAD_BYTES as usize];
    file.read_exact_at(&mut head, 0).map_err(failed())?;
    let head = SegmentHead::decode(&head, salt).map_err(|what| {
        let place = Spot::Byte { file: path.display().to_string(), offset: 0 };
        StoreError::Corrupt { place, cause: what.into() }
    })?;
    let mut whole = *base + SEGMENT_HEAD_BYTES;
    let salt = salt.of(head.epoch);
    let mut walk = Walk::new(&file, *base, (SEGMENT_HEAD_BYTES, *end - *base), salt);
    while let Step::Batch(batch) = walk.step().map_err(failed())? {
        whole = batch.end();
    }
    *end = whole;
    Ok((list, whole))
}

/// When the batch was appended that begins at `offset` of the segment, or behind the segment's head there. `salt` is that of
/// the segment's epoch.
pub(in crate::embedded) fn append_ms_at(
    file: &File,
    segment: u64,
    offset: u64,
    salt: Salt,
) -> Option<i64> {
    let offset = offset.max(SEGMENT_HEAD_BYTES);
    let mut raw = [0; BATCH_HEAD_BYTES];
    file.read_exact_at(&mut raw, offset).ok()?;
    BatchHead::decode(&raw, segment + offset, salt).map(|head| head.append_ms)
}
