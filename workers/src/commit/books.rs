//! What the log's writer has handed to each shard, for the books: counted from the submissions, apart from how events are
//! made of them, so that one that gets lost or comes twice on the way is found.

use std::time::{Duration, Instant};

use openim_record::{Account, Addresses, MemberList, Milestone, Position, Stamp};

use super::owners::Owners;
use super::{Lane, LogEvent};

/// Between two milestones; the first comes after as long a time.
const EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct HandedOut {
    began: Position,
    /// By shard.
    handed: Vec<Account>,
    /// What its last milestone said.
    told: Vec<Account>,
    told_at: Instant,
}

impl HandedOut {
    pub(super) fn new(lanes: usize, began: Position) -> Self {
        let none = vec![Account::default(); lanes];
        Self { began, handed: none.clone(), told: none, told_at: Instant::now() }
    }

    pub(super) const fn began(&self) -> Position {
        self.began
    }

    /// Counts those whom a message is for, each on its shard.
    pub(super) fn count(
        &mut self,
        owners: &Owners,
        position: Position,
        to: Addresses,
        lists: &[MemberList],
    ) {
        let stamp = Stamp::of(position);
        for to in to.iter() {
            self.handed[owners.lane(to.partition)].add(stamp.addressee(to.addressee));
        }
        for MemberList { partition, members, weight, .. } in lists {
            let handed = &mut self.handed[owners.lane(*partition)];
            handed.add_many(u64::from(*members), stamp.weighed(*weight));
        }
    }

    /// Tells each shard that got something, once a second; one without room the next time. All that was counted has been
    /// sent, and lies below `upto`.
    pub(super) fn tell(&mut self, lanes: &mut [Lane], upto: Position, now: Instant) {
        if now < self.told_at + EVERY {
            return;
        }
        self.told_at = now;
        let began = self.began;
        for ((lane, &handed), told) in lanes.iter_mut().zip(&self.handed).zip(&mut self.told) {
            // The last place is a message's.
            let event = LogEvent::Milestone(Milestone { began, upto, handed });
            if *told != handed && lane.events.room() > 1 && lane.events.try_send(event).is_ok() {
                *told = handed;
                lane.events.notify();
            }
        }
    }
}
