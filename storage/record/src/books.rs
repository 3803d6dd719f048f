//! Books of deliveries: accounts that never balance by chance, and their comparison.
//!
//! A delivery is a record and one whom it is for. Each has a [`ticket`](Stamp), the same wherever it is counted. An
//! [`Account`] has how many were counted and the sum of their tickets, so a lost delivery is not made up for by a doubled
//! one. Sums are of tickets that are products: of all members of a group's message one can be told from what is known of
//! the list alone.

use crate::{Addressee, Position};

/// A number that differs from those of others in all its bits. It does not depend on the process.
const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^ (value >> 32)
}

/// What a uid counts for in tickets. Odd, so that no product is lost.
#[must_use]
pub fn weight(uid: &str) -> u64 {
    let (chunks, rest) = uid.as_bytes().as_chunks::<8>();
    let mut hash = 0x517c_c1b7_2722_0a95 ^ uid.len() as u64;
    for chunk in chunks {
        hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
    }
    let rest = rest.iter().fold(0, |rest, &byte| rest << 8 | u64::from(byte));
    mix(hash ^ rest) | 1
}

/// What tickets of one record have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// Of the record at a position.
    #[must_use]
    pub const fn of(position: Position) -> Self {
        Self(mix(position.0) | 1)
    }

    /// The ticket of one whom the record names itself: its receiver, its sender, its group.
    #[must_use]
    pub const fn addressee(self, addressee: Addressee) -> u64 {
        let weight = match addressee {
            Addressee::Receiver => 0xd6e8_feb8_6659_fd93,
            Addressee::Sender => 0xa076_1d64_78bd_642f,
            Addressee::Group => 0xe703_7ed1_a0b4_28db,
            Addressee::Members => 0x8ebc_6af0_9c88_c6e3,
        };
        self.0.wrapping_mul(weight)
    }

    /// The ticket of a member of the group that the record is for, and of an entry of an inbox.
    #[must_use]
    pub fn uid(self, uid: &str) -> u64 {
        self.weighed(weight(uid))
    }

    /// The same for a weight, or for the sum of many.
    #[must_use]
    pub const fn weighed(self, weight: u64) -> u64 {
        self.0.wrapping_mul(weight)
    }
}

/// Deliveries that were counted: how many, and the sum of their tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// How many; of a difference as two's complement.
    pub count: u64,
    /// Of their tickets.
    pub sum: u64,
}

impl Account {
    /// Counts one.
    pub const fn add(&mut self, ticket: u64) {
        self.add_many(1, ticket);
    }

    /// Counts some whose tickets have this sum.
    pub const fn add_many(&mut self, count: u64, sum: u64) {
        self.count = self.count.wrapping_add(count);
        self.sum = self.sum.wrapping_add(sum);
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let count = self.count.wrapping_add(other.count);
        Self { count, sum: self.sum.wrapping_add(other.sum) }
    }

    /// What this one has that the other has not.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        let count = self.count.wrapping_sub(other.count);
        Self { count, sum: self.sum.wrapping_sub(other.sum) }
    }
}

/// From the log's writer to a shard: what was handed to it of all records below a position, since its writer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Where the log stood when its writer began to count.
    pub began: Position,
    /// All records below it, and none at or behind it, were handed out before this was.
    pub upto: Position,
    /// The deliveries.
    pub handed: Account,
}

/// Two accounts that must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// What the log handed to a home, and what became of it there.
    Log,
    /// What was numbered, and what the index was given.
    Inbox,
    /// What was to be delivered to people who may be connected, and what their front has taken.
    Push,
    /// What a front has pushed to links, and what was written into their outboxes.
    Link,
}

impl Pair {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Log, Self::Inbox, Self::Push, Self::Link];

    /// The same, as metrics and pages name them.
    pub const NAMES: [&str; 4] = ["log", "inbox", "push", "link"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let [log, inbox, push, link] = Self::NAMES;
        match self {
            Self::Log => log,
            Self::Inbox => inbox,
            Self::Push => push,
            Self::Link => link,
        }
    }
}

/// What two accounts came to differ by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residue {
    /// Which.
    pub pair: Pair,
    /// At this position the accounts agreed last, or differed by what was known.
    pub from: Position,
    /// Here they did not.
    pub to: Position,
    /// What is missing on the second side; more than is missing is there twice.
    pub missing: Account,
}

impl Residue {
    /// How many deliveries are lost (positive), or doubled; 0: as many as these are those.
    #[must_use]
    pub const fn lost(self) -> i64 {
        self.missing.count.cast_signed()
    }

    /// At least so many deliveries are wrong.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self.lost().unsigned_abs() {
            0 => 2,
            some => some,
        }
    }
}

/// A pair of accounts over time.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    pair: Pair,
    known: Account,
    balanced_at: Position,
    residue: u64,
}

impl Compared {
    /// Nothing was compared.
    #[must_use]
    pub const fn new(pair: Pair) -> Self {
        let known = Account { count: 0, sum: 0 };
        Self { pair, known, balanced_at: Position(0), residue: 0 }
    }

    /// Compares, as of `upto`; counting began at `began`, and all that is not settled lies at or behind `next`. What
    /// differs that did not before is told once.
    pub fn compare(
        &mut self,
        owed: Account,
        had: Account,
        (began, upto): (Position, Position),
        next: Position,
    ) -> Option<Residue> {
        let differs = owed.minus(had);
        let missing = differs.minus(self.known);
        let from = std::mem::replace(&mut self.balanced_at, next).max(began);
        if missing == Account::default() {
            return None;
        }
        self.known = differs;
        let residue = Residue { pair: self.pair, from, to: upto, missing };
        self.residue = self.residue.saturating_add(residue.size());
        Some(residue)
    }

    /// Which pair.
    #[must_use]
    pub const fn pair(&self) -> Pair {
        self.pair
    }

    /// Deliveries found wrong so far.
    #[must_use]
    pub const fn residue(&self) -> u64 {
        self.residue
    }

    /// Up to where the accounts were compared.
    #[must_use]
    pub const fn compared_to(&self) -> Position {
        self.balanced_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(position: u64, uid: &str) -> u64 {
        Stamp::of(Position(position)).uid(uid)
    }

    #[test]
    fn a_loss_and_a_double_do_not_balance() {
        let (mut owed, mut had) = (Account::default(), Account::default());
        let all = [(1, "alice"), (1, "bob"), (2, "alice"), (2, "bob")];
        all.iter().for_each(|(at, uid)| owed.add(ticket(*at, uid)));
        // Two are lost and two are twice, crosswise.
        for (at, uid) in [(1, "alice"), (1, "alice"), (2, "bob"), (2, "bob")] {
            had.add(ticket(at, uid));
        }
        let mut compared = Compared::new(Pair::Log);
        let residue = compared
            .compare(owed, had, (Position(1), Position(3)), Position(3))
            .expect("a residue");
        assert_eq!((residue.lost(), residue.size()), (0, 2));
        let at = (Position(1), Position(9));
        assert!(compared.compare(owed, had, at, Position(9)).is_none(), "told once");
        had.add(ticket(9, "bob"));
        let residue = compared
            .compare(owed, had, (Position(1), Position(12)), Position(12))
            .expect("another");
        assert_eq!((residue.lost(), residue.from, residue.to), (-1, Position(9), Position(12)));
        assert_eq!(residue.missing.sum, 0_u64.wrapping_sub(ticket(9, "bob")));
        assert_eq!(compared.residue(), 3);
    }

    #[test]
    fn members_are_counted_by_the_weight_of_their_list() {
        let uids = ["a", "用户", "user-0000001", "user-0000002", ""];
        let weights = uids.iter().fold(0_u64, |sum, uid| sum.wrapping_add(weight(uid)));
        let mut one_by_one = Account::default();
        let stamp = Stamp::of(Position(77));
        uids.iter().for_each(|uid| one_by_one.add(stamp.uid(uid)));
        let mut at_once = Account::default();
        at_once.add_many(uids.len() as u64, stamp.weighed(weights));
        assert_eq!(one_by_one, at_once);
    }

    #[test]
    fn tickets_differ() {
        let mut seen = std::collections::HashSet::new();
        for position in 0..200 {
            let stamp = Stamp::of(Position(position));
            for number in 0..200 {
                assert!(seen.insert(stamp.uid(&format!("user{number}"))));
            }
            for to in [Addressee::Receiver, Addressee::Sender, Addressee::Group] {
                assert!(seen.insert(stamp.addressee(to)));
            }
        }
    }
}
