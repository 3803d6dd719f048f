//! A shard that has only a front: its back is in other processes, as in the roles `api` and `gateway` of a cluster.
//!
//! Its own back owns no partition, so nothing ever comes into it: each of the back's verbs finds nobody and does nothing.
//! What the back of one machine tells its front comes from outside here: [`Shard::landed`], [`Shard::settled`],
//! [`Shard::deliver`]. What would have gone to the back goes through the log: ephemeral messages, and sends to groups,
//! whose members nobody here knows.

use openim_front::Effects;
use openim_record::PartitionId;

use super::{Back, Deliver, Front, Landed, Ledger, LoginPolicy, Now, Placement, Settled, Shard};
use crate::{FrontLimits, LinkId};

/// Bounds of a back that has nothing.
const NOTHING: openim_back::Limits = openim_back::Limits {
    duplicate_window_ms: 0,
    duplicates_max: 0,
    users_max: 0,
    waiting_max: 0,
    waiting_bytes_max: 0,
    group_members_max: 0,
};

impl Shard {
    /// An empty shard without a back.
    #[must_use]
    pub fn front_alone(placement: Placement, policy: LoginPolicy, limits: FrontLimits) -> Self {
        // Of one shard, and this is another.
        let owner = |_: PartitionId| 0;
        Self {
            placement,
            front: Front::new(placement, policy, limits),
            back: Back::new(placement, owner, 1, NOTHING),
            unwilling: super::unwilling::Unwilling::default(),
            alone: true,
            ephemerals: 0,
            ledger: Ledger::new(),
        }
    }

    /// Whether it has only a front.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// What became of a send that was handed to the log.
    pub fn landed(&mut self, landed: Landed<'_>, now: Now, fx: &mut impl Effects) {
        let _no_turns_here = self.front.landed(landed, now, fx);
    }

    /// A record that this shard handed to the log is in the inbox of its sender.
    pub fn settled(&mut self, settled: Settled, fx: &mut impl Effects) {
        self.front.settled(settled, fx);
    }

    /// A message for the links of one user.
    pub fn deliver(&mut self, deliver: &Deliver<'_>, now: Now, fx: &mut impl Effects) {
        let _queued = self.front.deliver(deliver, now, fx);
    }

    /// Another process has a newer link of the same user and platform: this one is told and closed.
    pub fn replaced(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.front.replaced(link, fx);
    }
}
