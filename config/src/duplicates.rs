//! `duplicates`: recognising a send that was sent before.

use crate::section::section;
use crate::setting::number;

section! {
    /// Recognising a send that was sent before, to give its first receipt again.
    pub struct Duplicates {
        /// Seconds a send is remembered; 0: repeated sends are new messages.
        pub window_seconds: u64 = 600, "windowSeconds" => number(0..=7 * 86_400);
        /// Sends remembered at most, over all shards; the oldest are forgotten first. With fewer, what is
        /// under way at once would push out what may still be repeated.
        pub entries_max: usize = 1_000_000, "entriesMax" => number(1_000..=1_000_000_000);
    }
}
