//! The books of a shard: pairs of accounts that must be the same, compared while messages flow.
//!
//! In: milestones of the log's writer, and what the driver has written into outboxes. Out: each [`Residue`], once. What is
//! counted where is in [`Pair`]; the accounts are counters of front and back. No tolerance: the log's side is compared at
//! a position that both sides have passed, the others between two turns, when nothing is on its way between them.

use openim_record::{Account, Compared, Milestone, Pair, Position, Residue};

use super::Shard;

/// The comparisons of a shard.
#[derive(Debug)]
pub struct Ledger {
    log: Compared,
    inbox: Compared,
    push: Compared,
    link: Compared,
}

impl Ledger {
    pub(super) const fn new() -> Self {
        Self {
            log: Compared::new(Pair::Log),
            inbox: Compared::new(Pair::Inbox),
            push: Compared::new(Pair::Push),
            link: Compared::new(Pair::Link),
        }
    }

    /// Each pair.
    pub fn pairs(&self) -> impl Iterator<Item = &Compared> {
        [&self.log, &self.inbox, &self.push, &self.link].into_iter()
    }
}

impl Shard {
    /// What was handed in so far was a replay: from now on deliveries are held against what the log's writer counts.
    pub fn begin_books(&mut self) {
        self.back.begin_books();
    }

    /// All records below a milestone were handed in, and none behind it.
    pub const fn milestone(&mut self, milestone: Milestone) {
        self.back.milestone(milestone);
    }

    /// Compares; `written` were put into outboxes. To be asked between two turns, about once a second. Gives what differs
    /// and did not before.
    pub fn compare_books(&mut self, written: Account) -> Vec<Residue> {
        let (next, head) = (self.back.settled_to(), self.back.head());
        let mut found = Vec::new();
        if let Some((milestone, settled)) = self.back.close_milestone() {
            let Milestone { began, upto, handed } = milestone;
            found.extend(self.ledger.log.compare(handed, settled, (began, upto), upto));
        }
        let (numbered, taken) = self.back.inbox_books();
        let delivered = self.front.delivered();
        let taken_over = delivered.pushed.plus(delivered.waiting);
        let pairs = [
            (&mut self.ledger.inbox, numbered, taken),
            (&mut self.ledger.push, self.back.books().given(), taken_over),
            (&mut self.ledger.link, delivered.pushes, written),
        ];
        for (compared, owed, had) in pairs {
            found.extend(compared.compare(owed, had, (Position(0), head), next));
        }
        found
    }

    /// What the comparisons came to.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
