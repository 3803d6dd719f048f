//! Where questions about users and groups are answered: the one seam between an engine that keeps their state in
//! the shards and one that keeps it in stores.
//!
//! In: a question ([`Ask`]). Out: its answer. The composition root chooses who answers; whoever asks cannot tell.

use std::rc::Rc;

use openim_record::broken;

use super::Core;
use super::above::Local;
use crate::bus::{Answer, Ask, Call, Refused};

/// Answers what is asked about users and groups.
pub(crate) trait Homes: Sync {
    /// Users of one part are asked about in one question.
    fn part(&self, core: &Core, whose: &str) -> u16;

    /// Asks about users, or a group, of one part.
    fn ask(&self, core: &Rc<Core>, part: u16, call: Call) -> Local<Result<Answer, Refused>>;

    /// Carries out a call on the shard that was asked.
    fn run(&self, core: Rc<Core>, call: Call) -> Local<Answer>;
}

impl Core {
    /// Asks the home of the user or the group that a question is about.
    pub(crate) async fn at_home<Q: Ask>(
        self: &Rc<Self>,
        question: Q,
    ) -> Result<Q::Answer, Refused> {
        let part = self.above.homes.part(self, question.whose());
        let answer = self.above.homes.ask(self, part, question.into_call()).await?;
        Q::read(answer).unwrap_or_else(|| broken("a home answers each question in its own kind"))
    }

    /// The part that a user is asked about with.
    pub(crate) fn part(&self, uid: &str) -> u16 {
        self.above.homes.part(self, uid)
    }
}
