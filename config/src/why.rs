//! `why`: what is kept to say why somebody did not get a message.

use crate::section::section;
use crate::setting::{none_or, number};

section! {
    /// The journal of links of the embedded engine, and how far a message is looked for.
    pub struct Why {
        /// Bytes of the journal of links; 0: none is kept.
        pub journal_bytes_max: u64 = 64 << 20, "journalBytesMax" => none_or(1 << 16..=1 << 34);
        /// Messages of one inbox that are looked through for one that is named by its id.
        pub look_messages_max: u64 = 4096, "lookMessagesMax" => number(16..=1_000_000);
    }
}
