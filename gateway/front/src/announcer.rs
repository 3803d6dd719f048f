//! Where this process' links are written down for everybody (R7).
//!
//! An entry is written before its link is admitted. The process' mark says that all its entries are
//! there; while it is missing, owners hand every delivery to this process. Whoever finds it missing, or
//! another, writes all entries again: a *pass*. It begins by putting its number in the mark's place and
//! ends by turning just that number into the mark, so that an emptied store in between undoes it. Answers name
//! the pass that asked: those of one that was given up are late, and say nothing of the next.
//!
//! Invariants: an entry never takes the place of a later link's (epochs rise, also over an emptied store:
//! they are the store's time); the mark stands only while every entry written before it does. Guarded by
//! the tests here and the cluster simulation (`workers/transfer/tests`).

use std::collections::VecDeque;

use openim_record::{Announced, LinkId, broken};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The mark stands, as far as is known.
    Marked,
    /// A pass is to begin.
    Due,
    /// Its number is being put there.
    Beginning,
    /// The links of `left` are being written.
    Writing,
    /// It is being turned into the mark.
    Ending,
}

/// The passes of one process.
#[derive(Debug)]
pub struct Announcer {
    pass: u64,
    state: State,
    left: VecDeque<LinkId>,
    /// Entries of the pass that are being written.
    writing: usize,
}

/// What the announcer wants done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put [`Announced::Writing`] of this pass in the mark's place; [`Announcer::begun`] follows.
    Begin(u64),
    /// Write the entry of this link again, for this pass; [`Announcer::wrote`] follows.
    Write(u64, LinkId),
    /// Turn `Writing` of this pass into `All`, if it is still there; [`Announcer::ended`] follows.
    End(u64),
}

impl Default for Announcer {
    fn default() -> Self {
        Self { pass: 0, state: State::Due, left: VecDeque::new(), writing: 0 }
    }
}

impl Announcer {
    /// The next step of a pass, if there is one to take now.
    pub fn step(&mut self) -> Option<Step> {
        match self.state {
            State::Due => {
                self.pass += 1;
                self.state = State::Beginning;
                Some(Step::Begin(self.pass))
            }
            State::Writing => match self.left.pop_front() {
                Some(link) => {
                    self.writing += 1;
                    Some(Step::Write(self.pass, link))
                }
                None if self.writing == 0 => {
                    self.state = State::Ending;
                    Some(Step::End(self.pass))
                }
                None => None,
            },
            State::Marked | State::Beginning | State::Ending => None,
        }
    }

    /// Whether the next step ends the pass: entries that were not asked for must be written before.
    #[must_use]
    pub fn ends_next(&self) -> bool {
        self.state == State::Writing && self.left.is_empty() && self.writing == 0
    }

    /// The number of a pass is in the mark's place, or is not, or nobody knows; `links` are all there are now.
    pub fn begun(&mut self, pass: u64, stands: bool, links: impl Iterator<Item = LinkId>) {
        if self.is_now(pass, State::Beginning) {
            self.left = links.collect();
            self.writing = 0;
            self.state = if stands { State::Writing } else { State::Due };
        }
    }

    /// An entry was written for a pass, or its link has gone; `false`: it was not, or nobody knows.
    pub fn wrote(&mut self, pass: u64, stands: bool) {
        if self.is_now(pass, State::Writing) {
            let Some(left) = self.writing.checked_sub(1) else { broken("an entry was asked for") };
            self.writing = left;
            if !stands {
                self.state = State::Due;
            }
        }
    }

    /// Whether the mark of a pass stands now.
    pub fn ended(&mut self, pass: u64, stands: bool) {
        if self.is_now(pass, State::Ending) {
            self.state = if stands { State::Marked } else { State::Due };
        }
    }

    fn is_now(&self, pass: u64, state: State) -> bool {
        (self.pass, self.state) == (pass, state)
    }

    /// An entry that no pass has asked for was not written, or nobody knows: all are, by another pass.
    pub fn missed(&mut self) {
        self.state = State::Due;
    }

    /// What stands in the mark's place, looked at once a second.
    pub fn looked(&mut self, announced: Option<Announced>) {
        if self.state == State::Marked && announced != Some(Announced::All(self.pass)) {
            self.state = State::Due;
        }
    }

    /// Whether the mark stands, as far as is known.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.state == State::Marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId { index: 1, generation: 1 };

    #[test]
    fn a_pass_writes_all_links_between_its_number_and_the_mark() {
        let mut announcer = Announcer::default();
        assert_eq!((announcer.step(), announcer.step()), (Some(Step::Begin(1)), None));
        announcer.begun(1, true, [LINK].into_iter());
        assert_eq!((announcer.step(), announcer.step()), (Some(Step::Write(1, LINK)), None));
        assert!(!announcer.ends_next());
        announcer.wrote(1, true);
        assert!(announcer.ends_next());
        assert_eq!((announcer.step(), announcer.is_marked()), (Some(Step::End(1)), false));
        announcer.ended(1, true);
        announcer.looked(Some(Announced::All(1)));
        assert!(announcer.is_marked() && announcer.step().is_none());
        announcer.looked(None);
        assert_eq!(announcer.step(), Some(Step::Begin(2)), "it was emptied");
    }

    #[test]
    fn a_pass_that_was_undone_begins_again() {
        let mut announcer = Announcer::default();
        assert_eq!(announcer.step(), Some(Step::Begin(1)));
        announcer.begun(1, true, std::iter::empty());
        assert_eq!(announcer.step(), Some(Step::End(1)));
        announcer.ended(1, false);
        assert_eq!(announcer.step(), Some(Step::Begin(2)));
        announcer.begun(2, true, [LINK].into_iter());
        assert_eq!(announcer.step(), Some(Step::Write(2, LINK)));
        announcer.wrote(2, false);
        assert_eq!(announcer.step(), Some(Step::Begin(3)), "the store was away");
    }

    #[test]
    fn an_entry_that_was_not_written_needs_another_pass_whatever_the_last_one_is_at() {
        let mut announcer = Announcer::default();
        assert_eq!(announcer.step(), Some(Step::Begin(1)));
        announcer.begun(1, true, [LINK].into_iter());
        assert_eq!(announcer.step(), Some(Step::Write(1, LINK)));
        announcer.wrote(1, true);
        assert_eq!(announcer.step(), Some(Step::End(1)));
        announcer.missed();
        announcer.ended(1, true);
        assert!(!announcer.is_marked());
        assert_eq!(announcer.step(), Some(Step::Begin(2)));
    }

    #[test]
    fn answers_to_a_pass_that_was_given_up_say_nothing_of_the_next() {
        let other = LinkId { index: 2, generation: 2 };
        let mut announcer = Announcer::default();
        assert_eq!(announcer.step(), Some(Step::Begin(1)));
        announcer.begun(1, true, [LINK, other].into_iter());
        assert_eq!(announcer.step(), Some(Step::Write(1, LINK)));
        assert_eq!(announcer.step(), Some(Step::Write(1, other)));
        announcer.wrote(1, false);
        assert_eq!(announcer.step(), Some(Step::Begin(2)));
        announcer.begun(1, true, std::iter::empty());
        announcer.ended(1, true);
        assert_eq!((announcer.step(), announcer.is_marked()), (None, false));
        announcer.begun(2, true, [other].into_iter());
        assert_eq!(announcer.step(), Some(Step::Write(2, other)));
        // That of the first pass; what it wrote may have been emptied since.
        announcer.wrote(1, true);
        assert_eq!(announcer.step(), None);
        announcer.wrote(2, true);
        assert_eq!(announcer.step(), Some(Step::End(2)));
    }
}
