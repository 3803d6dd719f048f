//! `gateway`: the process and its shards.

use crate::section::section;
use crate::setting::{number, switch};

section! {
    /// The process and its shards.
    pub struct Gateway {
        /// Shards, one thread each; 0: one per core.
        pub shards: u32 = 0, "shards" => number(0..=256);
        /// Whether a shard's thread stays on one core.
        pub pin: bool = true, "pin" => switch;
        /// Seconds between the signal to stop, from which on `/readyz` is 503, and the end of accepting.
        pub lame_duck_seconds: u64 = 2, "lameDuckSeconds" => number(0..=3_600);
        /// Seconds a drain may take before what is left is cut.
        pub drain_seconds: u64 = 10, "drainSeconds" => number(0..=3_600);
        /// Links closed per second while draining, so that clients do not all return at once.
        pub close_per_second: u32 = 20_000, "closePerSecond" => number(1..=10_000_000);
        /// Threads that read history from the disk.
        pub readers: u32 = 2, "readers" => number(1..=256);
    }
}
