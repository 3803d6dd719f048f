//! What a shard asks of the world around it, besides what its front does: ways to other shards.

use openim_record::{MemberList, PartitionId};

/// The shard's surroundings. Calls must not re-enter the shard; what they cause comes back as input.
pub trait Effects: openim_front::Effects {
    /// Whether the ring to the owner of another shard's partition takes an ephemeral message of so many
    /// bytes now. If not, [`crate::Shard::room`] follows when it may.
    fn has_room_at(&mut self, partition: PartitionId, bytes: usize) -> bool;

    /// Hands an ephemeral message to the owner of its receiver's partition. The last answer of
    /// [`Self::has_room_at`] was yes.
    fn forward(&mut self, partition: PartitionId, record: Box<[u8]>);

    /// Hands an ephemeral message to a group to the owners of its members' partitions, to all or to none.
    /// No list is of this shard. `false` when a ring is full: [`crate::Shard::room`] follows when none is.
    #[must_use]
    fn forward_group(&mut self, record: &[u8], lists: Vec<MemberList>) -> bool;
}
