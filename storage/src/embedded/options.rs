//! How the embedded engine is set up, and what it takes of the system.

use super::{index, log};

/// Files of the data directory itself: its lock, and what is read or written beside log and index.
const HOME_FILES_MAX: u64 = 4;

/// Descriptors that the engine may hold at one moment, at most: whoever shares out the process's limit of
/// open files keeps that many free for it, so that it never meets the limit.
///
/// A bound and no measurement: a young server holds some twenty.
pub const FILES_MAX: u64 = HOME_FILES_MAX + log::FILES_MAX + index::FILES_MAX;

/// Settings of the embedded engine; [`Options::default`] suits a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions that users are hashed onto; fixed at the first start.
    pub partitions: u16,
    /// When an append is durable.
    pub durability: Durability,
    /// Length of a log segment; the file is given its space ahead of time.
    pub segment_bytes: u64,
    /// Disk space that new messages leave to the index, so that it can always finish its work.
    pub reserve_bytes: u64,
    /// Memory for cached blocks of the index.
    pub index_cache_bytes: u64,
    /// Log between two bases.
    pub base_every_bytes: u64,
    /// How long the archive keeps messages.
    pub archive: ArchiveBounds,
    /// Memory for writes of the index that wait to be sorted, for each of its two large tables.
    pub index_buffer_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            partitions: 256,
            durability: Durability::Always,
            segment_bytes: 64 * MIB,
            reserve_bytes: 256 * MIB,
            base_every_bytes: 256 * MIB,
            archive: ArchiveBounds::default(),
            index_cache_bytes: 32 * MIB,
            index_buffer_bytes: 8 * MIB,
        }
    }
}

/// How long the archive keeps messages that are no history any more; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveBounds {
    /// Milliseconds behind history that messages of single chats are kept.
    pub single_ms: Option<i64>,
    /// The same of messages to groups.
    pub group_ms: Option<i64>,
    /// Bytes of segments that are there for the archive alone; the oldest go first.
    pub bytes_max: Option<u64>,
    /// Bytes of archived messages to groups in these.
    pub group_bytes_max: Option<u64>,
}

impl ArchiveBounds {
    /// Whether it matters which kind of chat an archived message is of.
    pub(super) const fn is_by_kind(&self) -> bool {
        self.single_ms.is_some() || self.group_ms.is_some() || self.group_bytes_max.is_some()
    }
}

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After a flush to the device: nothing that was acknowledged is lost, whatever happens.
    Always,
    /// When the operating system has it: a killed process loses nothing, a power failure loses
    /// what was written since the last flush, at most this many milliseconds.
    Interval {
        /// Time between flushes.
        ms: u64,
    },
}
