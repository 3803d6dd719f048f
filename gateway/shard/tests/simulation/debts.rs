//! Who is owed the answer to a send: everybody is answered once. Shared by both worlds.

use std::collections::BTreeSet;
use std::fmt::Debug;

use openim_front::{LinkId, Origin};

/// Sends that a front owes an answer: which front, then link and number, or call.
#[derive(Debug)]
pub(crate) struct Debts<At>(BTreeSet<(At, Debt)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Debt {
    Link(LinkId, i32),
    Call(u64),
}

impl From<Origin> for Debt {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Link { id, msg_incr } => Self::Link(id, msg_incr),
            Origin::Call(number) => Self::Call(number),
        }
    }
}

impl<At> Default for Debts<At> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<At: Copy + Debug + Ord> Debts<At> {
    pub(crate) fn offered(&mut self, at: At, origin: Origin) {
        assert!(self.0.insert((at, origin.into())), "offered while it is owed an answer");
    }

    /// The front did not take it.
    pub(crate) fn not_taken(&mut self, at: At, origin: Origin) {
        assert!(self.0.remove(&(at, origin.into())), "answered, but not taken");
    }

    /// Every origin is answered once.
    pub(crate) fn answered(&mut self, at: At, origin: Origin) {
        assert!(self.0.remove(&(at, origin.into())), "{origin:?} is owed no answer");
    }

    /// Nobody waits any more for what these fronts owe.
    pub(crate) fn forget(&mut self, gone: impl Fn(At) -> bool) {
        self.0.retain(|(at, _)| !gone(*at));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
