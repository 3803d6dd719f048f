//! `archive`: how long messages are kept once history has let them go.

use crate::section::section;
use crate::setting::{none_or, number};

section! {
    /// The archive of the embedded engine.
    pub struct Archive {
        /// Days that an archived message is kept; 0: for ever. Never less than history is.
        pub retain_days: u32 = 0, "retainDays" => number(0..=36_500);
        /// The same of messages to groups; 0: as long as the others.
        pub group_retain_days: u32 = 0, "groupRetainDays" => number(0..=36_500);
        /// Bytes of files that are there for the archive alone; 0: no bound.
        pub bytes_max: u64 = 0, "bytesMax" => none_or(1 << 20..=1 << 50);
        /// Bytes of archived messages to groups in these; 0: no bound of their own.
        pub group_bytes_max: u64 = 0, "groupBytesMax" => none_or(1 << 20..=1 << 50);
    }
}

impl Archive {
    /// Days that messages to groups are kept; 0: for ever.
    pub fn group_days(&self) -> u32 {
        if self.group_retain_days == 0 { self.retain_days } else { self.group_retain_days }
    }

    /// The keys that are set.
    pub fn given(&self) -> Vec<&'static str> {
        let keys = [
            ("archive.retainDays", self.retain_days > 0),
            ("archive.groupRetainDays", self.group_retain_days > 0),
            ("archive.bytesMax", self.bytes_max > 0),
            ("archive.groupBytesMax", self.group_bytes_max > 0),
        ];
        keys.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
    }
}
