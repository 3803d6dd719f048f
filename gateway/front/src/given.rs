//! The last seq that each link was given (R8).
//!
//! Invariant: what a link is given rises. Whatever an owner repeats, a stale one or a new one, is dropped
//! here; eight bytes a link. Guarded by the test here and the cluster simulation (`workers/transfer/tests`).

use openim_record::{Seq, broken};

use crate::LinkId;

/// The last seq by slot of the link.
#[derive(Debug, Default)]
pub struct Given(Vec<Seq>);

impl Given {
    /// A link has its slot from now on: it was given nothing.
    pub fn opened(&mut self, link: LinkId) {
        let at = link.index as usize;
        match self.0.get_mut(at) {
            Some(last) => *last = Seq(0),
            None => self.0.resize(at + 1, Seq(0)),
        }
    }

    /// Whether an open link takes this seq now: 0 always, any other when it is higher than all before.
    pub fn takes(&mut self, link: LinkId, seq: Seq) -> bool {
        let Some(last) = self.0.get_mut(link.index as usize) else { broken("a link was opened") };
        let rises = seq == Seq(0) || *last < seq;
        *last = seq.max(*last);
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_is_given_rises() {
        let mut given = Given::default();
        let link = LinkId { index: 2, generation: 1 };
        given.opened(link);
        let takes = [5, 5, 4, 0, 6, 0].map(|seq| given.takes(link, Seq(seq)));
        assert_eq!(takes, [true, false, false, true, true, true]);
        let next = LinkId { generation: 2, ..link };
        given.opened(next);
        assert!(given.takes(next, Seq(1)), "another link in its place");
    }
}
