//! Where users' links are, as processes of a cluster tell each other through a store that may be emptied at any time
//! (R7 of the cluster engine's design; `gateway/front` writes it, `workers/transfer` reads it).

use crate::{Process, UserId};

/// Names one link for as long as its process runs: a slot, and which tenant of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId {
    /// Slot in the shard's table; the driver keeps its socket under the same number.
    pub index: u32,
    /// Counts every link the shard ever opened.
    pub generation: u32,
}

/// A link's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub process: Process,
    /// Which link of that process.
    pub link: LinkId,
    /// When it was opened, by the store's time; 0 to be given one.
    pub epoch: u64,
}

/// What became of writing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands, with this epoch, in the place of another, perhaps.
    Stands {
        /// The epoch it has.
        epoch: u64,
        /// Whose place it has taken: that link is replaced.
        replaced: Option<Entry>,
    },
    /// A later link of the same user and platform stands there: this one is replaced.
    Older,
}

/// What stands in the place of a process' mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A pass over all its links is writing.
    Writing(u64),
    /// All entries were written by this pass, or since.
    All(u64),
}

/// Whether a gateway's entries are complete: the number of the pass that has written them all.
pub type Mark = (Process, u64);

/// What was read of presence, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The gateways' marks.
    pub before: Vec<Mark>,
    /// Where each user asked for has links, as far as is written.
    pub users: Vec<(UserId, Vec<Process>)>,
    /// The marks once more.
    pub after: Vec<Mark>,
}
