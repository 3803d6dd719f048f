//! `embedded`: the engine that needs nothing installed.

use crate::section::section;
use crate::setting::{choice, number, one_of, text};
use std::path::PathBuf;

choice! {
    /// When an accepted message is on the disk.
    pub enum Durability {
        /// Before the reply: one flush per batch.
        Always = "always",
        /// Within [`Embedded::flush_interval_ms`] after the reply: a power cut may lose that much.
        Interval = "interval",
    }
}

section! {
    /// The embedded engine.
    pub struct Embedded {
        /// Where all data is; created when missing.
        pub data_dir: PathBuf = PathBuf::from("./data"), "dataDir" => text("a path");
        /// When an accepted message is on the disk.
        pub durability: Durability = Durability::default(), "durability" => one_of;
        /// Milliseconds between flushes under [`Durability::Interval`].
        pub flush_interval_ms: u64 = 100, "flushIntervalMs" => number(1..=60_000);
        /// Bytes after which a log file is closed and the next begun.
        pub segment_bytes: u64 = 64 << 20, "segmentBytes" => number(1 << 20..=4 << 30);
        /// Bytes of log after which the index is written down once more, so that it can be made anew in short time.
        pub base_every_bytes: u64 = 256 << 20, "baseEveryBytes" => number(1 << 20..=1 << 40);
        /// Partitions of the log. Read at the first start only, then kept with the data.
        pub partitions: u32 = 256, "partitions" => number(1..=4_096);
    }
}
