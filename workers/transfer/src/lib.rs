//! The owner of a partition in a cluster, as a pure machine, and the records that it reads and writes.
//!
//! In a cluster a send is one [`TopicRecord::Send`] in the partition of its sender, or of its group. The
//! [`Owner`] of that partition decides what it means and relays it to the other partitions concerned,
//! whose owners number it for their users. What an owner asks of stores, topics and gateways are its
//! [`Effects`].
//!
//! Never: a clock, a socket, a thread, chance. `tests/cluster.rs` runs owners against each other under
//! everything that may go wrong; the reasons are in `docs/adr/0012-cluster-rules.md`.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::wildcard_enum_match_arm
    )
)]

mod effects;
mod fit;
mod owner;
mod presence;
mod record;
mod values;

pub use effects::{Effects, Life};
pub use fit::{LogNow, Misfit};
pub use openim_record::{LogPartition, Source, Topic};
pub use owner::{Owner, Settings};
pub use record::{
    GroupChanged, Joined, Notice, Recipients, Relayed, Sent, ToGroup, TopicRecord, Uids,
    Unreadable, longer_by, message,
};
pub use values::{
    Alarm, Batch, Checkpoint, Content, Contradiction, Delivery, Document, LoadedGroup,
    LoadedPartition, LoadedUser, Mark, NotStored, PageEntry, Raise, Sight,
};
