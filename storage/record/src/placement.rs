//! Which partition a user lives in, and which shard owns a partition.
//!
//! Invariant: for one data directory the count and the hash never change. Both are written beside
//! the data at the first start and compared at every start ([`Placement::HASH`]).

use crate::PartitionId;

/// The fixed map from uid to partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    partitions: u16,
}

impl Placement {
    /// Name of the hash, stored with the data so that another build cannot misread it.
    pub const HASH: &'static str = "fnv1a64-mix";

    /// A placement over `partitions` partitions; zero is taken as one.
    #[must_use]
    pub const fn new(partitions: u16) -> Self {
        Self { partitions: if partitions == 0 { 1 } else { partitions } }
    }

    /// How many partitions there are.
    #[must_use]
    pub const fn partitions(self) -> u16 {
        self.partitions
    }

    /// The partition that is home to `uid`.
    #[must_use]
    pub fn partition(self, uid: &str) -> PartitionId {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in uid.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        // FNV leaves the low bits of short keys weak; a multiply-shift round spreads them.
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        let slot = hash % u64::from(self.partitions);
        PartitionId(u16::try_from(slot).unwrap_or(0))
    }

    /// The shard, of `shards`, that owns `partition`.
    #[must_use]
    pub fn shard(self, partition: PartitionId, shards: u16) -> u16 {
        partition.0 % shards.max(1)
    }

    /// The shard, of `shards`, that is home to `uid`.
    #[must_use]
    pub fn home(self, uid: &str, shards: u16) -> u16 {
        self.shard(self.partition(uid), shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // These values are on users' disks: a failure here means a data loss, not a test to update.
        let placement = Placement::new(256);
        let homes: Vec<u16> =
            ["", "alice", "bob", "用户"].iter().map(|uid| placement.partition(uid).0).collect();
        assert_eq!(homes, [82, 237, 188, 63]);
    }

    #[test]
    fn users_spread_evenly() {
        let placement = Placement::new(256);
        let mut counts = [0_u32; 256];
        for n in 0..25_600 {
            counts[usize::from(placement.partition(&format!("user{n}")).0)] += 1;
        }
        assert!(counts.iter().all(|&c| (50..170).contains(&c)), "{counts:?}");
    }
}
