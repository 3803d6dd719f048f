//! What became of the deliveries that the log handed to a home, so that it can be held against what the log's writer says
//! it has handed out.
//!
//! The comparison is exact while messages flow: a [`Milestone`] comes between the records below its position and those
//! behind it. From then on the two are counted apart, and when nothing below waits any more, what was handed out must
//! have become of something. One milestone is open at a time; those that come meanwhile are passed over.

use openim_record::{Account, Milestone, Position};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It has a number in an inbox.
    Numbered,
    /// The inbox has the message already: it was sent again.
    Repeated,
    /// The inbox has this very record already, as a restart may show it.
    There,
    /// It has no number: its history is off.
    Unnumbered,
    /// The home of the group has noted it; its members are counted one by one.
    Noted,
}

impl Became {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Numbered, Self::Repeated, Self::There, Self::Unnumbered, Self::Noted];
    /// The same, as metrics and pages name them.
    pub const NAMES: [&str; 5] = ["numbered", "repeated", "there", "unnumbered", "noted"];
}

/// See the module.
#[derive(Debug)]
pub struct Books {
    /// Of records below the open milestone.
    below: Account,
    /// Of records at or behind it.
    behind: Account,
    open: Option<Milestone>,
    /// That of `open`, or beyond everything.
    boundary: Position,
    became: [u64; Became::NAMES.len()],
    given: Account,
}

impl Books {
    pub(crate) const fn new() -> Self {
        const NONE: Account = Account { count: 0, sum: 0 };
        Self {
            below: NONE,
            behind: NONE,
            open: None,
            boundary: Position(u64::MAX),
            became: [0; Became::NAMES.len()],
            given: NONE,
        }
    }

    /// Something has become of a delivery.
    #[inline]
    pub(crate) fn settle(&mut self, position: Position, ticket: u64, became: Became) {
        match position < self.boundary {
            true => self.below.add(ticket),
            false => self.behind.add(ticket),
        }
        if let Some(count) = self.became.get_mut(became as usize) {
            *count += 1;
        }
    }

    /// One is for people who may be connected.
    #[inline]
    pub(crate) const fn give(&mut self, ticket: u64) {
        self.given.add(ticket);
    }

    /// All that is counted from now on was handed out by the writer that runs.
    pub(crate) fn begin(&mut self) {
        *self = Self { given: self.given, ..Self::new() };
    }

    pub(crate) const fn open(&mut self, milestone: Milestone) {
        if self.open.is_none() {
            self.boundary = milestone.upto;
            self.open = Some(milestone);
        }
    }

    /// The milestone that is open.
    #[must_use]
    pub const fn opened(&self) -> Option<Milestone> {
        self.open
    }

    /// Nothing below the open milestone waits any more: it, and what became of deliveries below it.
    pub(crate) fn close(&mut self) -> Option<(Milestone, Account)> {
        let milestone = self.open.take()?;
        let settled = self.below;
        self.boundary = Position(u64::MAX);
        self.below = self.below.plus(std::mem::take(&mut self.behind));
        Some((milestone, settled))
    }

    /// How many deliveries became what, in the order of [`Became::NAMES`].
    #[must_use]
    pub const fn became(&self) -> &[u64; Became::NAMES.len()] {
        &self.became
    }

    /// What was to be pushed to whoever is connected.
    #[must_use]
    pub const fn given(&self) -> Account {
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_a_milestone_counts_for_the_next_one() {
        let mut books = Books::new();
        let milestone = |upto, count, sum| Milestone {
            began: Position(0),
            upto: Position(upto),
            handed: Account { count, sum },
        };
        books.settle(Position(1), 10, Became::Numbered);
        books.open(milestone(5, 2, 30));
        books.settle(Position(7), 100, Became::Noted);
        // Passed over: one is open.
        books.open(milestone(9, 3, 130));
        books.settle(Position(4), 20, Became::Repeated);
        let (closed, settled) = books.close().expect("one is open");
        assert_eq!((closed.handed, closed.upto), (settled, Position(5)));
        assert!(books.close().is_none());
        books.open(milestone(9, 3, 130));
        let (closed, settled) = books.close().expect("one is open");
        assert_eq!(closed.handed, settled);
        assert_eq!(books.became(), &[1, 1, 0, 0, 1]);
    }
}
