//! The log: preallocated segments, one write and one flush a batch.
//!
//! Owns `<data>/log/`. In: encoded messages; out: positions, and records by position. The writer
//! ([`EmbeddedLog`]) belongs to one thread once the server runs; readers share [`Segments`], among them [`EmbeddedTail`],
//! and never wait for it.
//! Never: interprets a message beyond its `persistent` switch and the kind of its chat.

mod flush;
mod follow;
mod frame;
mod held;
mod prepare;
mod recover;
mod salvage;
mod segments;
mod shared;
mod still;
mod tail;
mod walk;
mod writer;

pub(super) use follow::{FollowError, plant};
pub(super) use frame::{
    BATCH_HEAD_BYTES, BatchHead, Epoch, RECORD_HEAD_BYTES, Records, SEGMENT_HEAD_BYTES, Salt,
    SegmentHead, encode_batch,
};
pub(super) use held::{Besides, Held, Share};
pub use recover::TornTail;
pub(super) use recover::{Known, lengths, segment_files, sync_dir, write_again};
pub use salvage::Span;
pub(super) use salvage::{Found, Salvage};
pub(super) use segments::{Segment, Segments, Walked, segment_path};
pub use shared::EmbeddedLog;
pub(super) use still::{append_ms_at, still};
pub use tail::EmbeddedTail;
pub(super) use writer::{LogSettings, Writer};

/// Descriptors that the log may hold: segments that are read, those that threads read at the moment though
/// they have left that set, the one that is written, the one before it, the next one, and the folder.
pub(super) const FILES_MAX: u64 = segments::OPEN_FILES_MAX as u64 + READING_MAX + 4;
/// Threads that read a segment at the same moment, with room to spare.
const READING_MAX: u64 = 16;
