//! What an owner asks of the world around it.

use openim_record::{GroupId, PartitionId, Position, Process, Settled, UserId};

use crate::values::{Alarm, Batch, Checkpoint, Delivery, PageEntry};

/// One life of an owner: from loading the partition to the next time. Whoever answers names the life that
/// asked; what an earlier one asked for is no concern of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(pub u32);

/// An owner's surroundings. Calls must not re-enter the owner; answers come back as input.
///
/// What a former life has asked for may go on, or be dropped, with one exception: a call to the store never
/// goes on at another process of it (which may have lost what the call wrote before), but fails.
pub trait Effects {
    /// Read checkpoint, pages and the log's ends; [`crate::Owner::loaded`] follows.
    fn load_partition(&mut self, life: Life);

    /// Read these users' documents; one of [`crate::Owner::users_loaded`] and
    /// [`crate::Owner::users_failed`] follows, once.
    fn load_users(&mut self, life: Life, users: Vec<UserId>);

    /// Read a group where it is written; one of [`crate::Owner::group_loaded`] and
    /// [`crate::Owner::group_failed`] follows, once.
    fn load_group(&mut self, life: Life, group: &GroupId);

    /// Produce a relay. What one owner produces into one partition arrives there in this order, perhaps
    /// from any earlier one on again; when one fails, none behind it may go out any more.
    /// [`crate::Owner::relayed`] follows, or [`crate::Owner::produce_failed`].
    fn relay(&mut self, life: Life, to: PartitionId, record: Box<[u8]>);

    /// Store a batch; [`crate::Owner::stored`] follows. One at a time.
    fn store(&mut self, life: Life, batch: Batch);

    /// Tell a process that the senders of these sends, which it has produced, have them in their inboxes;
    /// [`crate::Owner::settled`] follows.
    fn settle(&mut self, life: Life, stage: u64, process: Process, settled: Vec<Settled>);

    /// Read presence of these users; [`crate::Owner::saw`] follows.
    fn look(&mut self, life: Life, stage: u64, users: Vec<UserId>);

    /// Hand deliveries to a gateway, in this order behind earlier ones; [`crate::Owner::reached`] follows.
    fn deliver(&mut self, life: Life, stage: u64, gateway: Process, deliveries: Vec<Delivery>);

    /// Produce a notice; [`crate::Owner::noticed`] follows, or [`crate::Owner::produce_failed`].
    fn notice(&mut self, life: Life, stage: u64, record: Box<[u8]>);

    /// Write the keys that are new since the checkpoint before, if there are any; then replace that checkpoint,
    /// whose `next` is `was`, or write the first. [`crate::Owner::checkpointed`] follows.
    fn checkpoint(
        &mut self,
        life: Life,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    );

    /// Set a record aside that is none.
    fn dead_letter(&mut self, at: Position, record: &[u8]);

    /// This partition stands still until somebody has looked.
    fn alarm(&mut self, alarm: Alarm);
}
