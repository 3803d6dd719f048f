//! What a shard of a cluster has to do with other processes beside its messages: which of its links came and went, a link
//! that waits until others can know of it, what is decided here about tokens, and which groups change here.
//!
//! In: links, decisions, changes. Out: the same, for the tasks that tell others ([`Beside`](super::Beside)) and have their ways from the
//! composition root. On one machine there are none, and nothing is noted.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use openim_record::{GroupId, LinkId, Presence, UserId, broken};
use openim_workers::Failed;

use super::above::Local;
use super::change::Change;
use super::{Core, Io};
use crate::bus::Refused;
use crate::metrics::Waited;

/// Links of either kind that wait to be looked at. Whoever looks is away for seconds at most; what finds no place is made
/// good by a pass over all links.
const NOTED_MAX: usize = 64 * 1024;

/// What other processes believe and hear of tokens that change here.
pub(crate) trait TokensAbroad {
    /// Tokens of a user are about to change: from the answer on nobody believes what is remembered of them. `None`: that
    /// cannot be said now, and nothing may change.
    fn change(&self, uid: &UserId) -> Local<Option<TokensChange>>;

    /// The change is over: the store has it, by a login on this platform or (0) otherwise; or (`None`) it was not made.
    /// Never waits.
    fn changed(&self, uid: &UserId, change: TokensChange, by: Option<u8>);

    /// What is remembered of a user's tokens is not what the store has: whoever asks next asks the store.
    fn forget(&self, uid: &UserId) -> Local<()>;
}

/// A change of a user's tokens that is not over, by the number that others know it by. Where nobody knows what came of it,
/// it is never said to be over.
#[derive(Clone, Copy, Debug)]
#[must_use = "until it is over the user's tokens are not remembered"]
pub(crate) struct TokensChange(pub(crate) u64);

/// Tells other processes that a group was changed here, durably, or perhaps it was: what they remember of its members is to be
/// asked for again. Never waits.
pub(crate) type GroupsAbroad = Box<dyn Fn(&GroupId)>;

/// Finds out on which platforms users have links, in whichever process; same order. `None`: nobody knows now.
pub(crate) type Whereabouts = Box<dyn Fn(Vec<UserId>) -> Local<Option<Vec<Vec<u8>>>>>;

/// A link that has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) uid: UserId,
    pub(crate) platform: u8,
    pub(crate) link: LinkId,
}

/// Links that have come and gone since somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Comings {
    came: VecDeque<LinkId>,
    gone: VecDeque<Gone>,
    /// Some have come for which there was no place.
    missed: bool,
    /// Links that others do not know of yet, and whom to wake when they can.
    unknown: HashMap<LinkId, Option<Waker>>,
    /// Of whoever looks.
    waker: Option<Waker>,
}

impl Comings {
    /// A link is there, or has gone.
    pub(crate) fn note(&mut self, presence: Presence<'_>) {
        let Presence { uid, platform, link, up } = presence;
        if up {
            self.unknown.insert(link, None);
            match self.came.len() < NOTED_MAX {
                true => self.came.push_back(link),
                false => self.missed = true,
            }
        } else {
            self.known(link);
            self.left(Gone { uid: UserId::new(uid), platform, link });
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// A link has gone, or could not be taken out where others look. The oldest make room: they cost others a question
    /// each, no more.
    pub(crate) fn left(&mut self, gone: Gone) {
        if self.gone.len() == NOTED_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(gone);
    }

    /// The link that came first of those nobody has looked at.
    pub(crate) fn next_came(&mut self) -> Option<LinkId> {
        self.came.pop_front()
    }

    /// The link that went first, likewise.
    pub(crate) fn next_gone(&mut self) -> Option<Gone> {
        self.gone.pop_front()
    }

    /// Whether some have come that were not noted; told once.
    pub(crate) fn take_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed)
    }

    /// Others can know of a link, or it has gone.
    pub(crate) fn known(&mut self, link: LinkId) {
        if let Some(Some(waker)) = self.unknown.remove(&link) {
            waker.wake();
        }
    }

    /// Others ask here in any case.
    pub(crate) fn all_known(&mut self) {
        self.unknown.drain().filter_map(|(_, waker)| waker).for_each(Waker::wake);
    }

    /// Whether a link still waits to be known.
    pub(crate) fn waits(&mut self, link: LinkId, waker: &Waker) -> bool {
        match self.unknown.get_mut(&link) {
            Some(waiting) => {
                *waiting = Some(waker.clone());
                true
            }
            None => false,
        }
    }

    /// Whether there is something to look at; if not, `waker` is woken when there is.
    fn has_news(&mut self, waker: &Waker) -> bool {
        let any = !self.came.is_empty() || !self.gone.is_empty() || self.missed;
        if !any {
            self.waker = Some(waker.clone());
        }
        any
    }
}

impl Io {
    /// Of a shard whose links others are to know of.
    pub(super) fn note_presence(&mut self, presence: Presence<'_>) {
        // It may be given something before its socket is known here, which is dropped.
        if let Some(alone) = self.alone.as_mut().filter(|_| presence.up) {
            alone.opened(presence.link);
        }
        if let Some(comings) = &mut self.comings {
            comings.note(presence);
        }
    }
}

impl Core {
    /// Waits until others can know of a link that is open here, or ask here in any case, or it has gone.
    pub(crate) async fn known_abroad(&self, link: LinkId) {
        poll_fn(|cx| {
            let mut io = self.io.borrow_mut();
            let waits = io.comings.as_mut().is_some_and(|comings| comings.waits(link, cx.waker()));
            if waits { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Waits until links have come or gone.
    pub(crate) async fn comings(&self) {
        poll_fn(|cx| {
            let mut io = self.io.borrow_mut();
            let news = io.comings.as_mut().is_some_and(|comings| comings.has_news(cx.waker()));
            if news { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// From now on others are told what is decided here.
    pub(crate) fn tell_abroad(&self, tell: Box<dyn TokensAbroad>) {
        if self.abroad.set(tell).is_err() {
            broken("a shard is joined with others once");
        }
    }

    /// From now on others are told which groups are changed here.
    pub(crate) fn tell_groups_abroad(&self, tell: GroupsAbroad) {
        if self.groups_abroad.set(tell).is_err() {
            broken("a shard is joined with others once");
        }
    }

    /// Somebody has another role in a group, or none any more, or perhaps so.
    pub(crate) fn tell_group_abroad(&self, group: &GroupId) {
        if let Some(tell) = self.groups_abroad.get() {
            tell(group);
        }
    }

    /// From now on links of other processes can be asked for.
    pub(crate) fn look_abroad(&self, whereabouts: Whereabouts) {
        if self.whereabouts.set(whereabouts).is_err() {
            broken("a shard is joined with others once");
        }
    }

    /// On which platforms users have links, in whichever process; same order. `None`: there is no other process.
    ///
    /// # Errors
    /// [`Refused::Unavailable`].
    pub(crate) async fn platforms_abroad(
        &self,
        users: &[UserId],
    ) -> Option<Result<Vec<Vec<u8>>, Refused>> {
        let found = self.whereabouts.get()?(users.to_vec());
        let found = self.in_time(Waited::Question, found).await;
        Some(found.ok().flatten().ok_or(Refused::Unavailable))
    }

    /// From now on others are to know of the links here.
    pub(crate) fn note_comings(&self) {
        self.io.borrow_mut().comings = Some(Box::default());
    }

    /// Whether others are to know of the links here.
    pub(crate) fn notes_comings(&self) -> bool {
        self.io.borrow().comings.is_some()
    }

    /// Changes tokens of a user, durably. No process believes what is remembered of them from before that on, and all follow
    /// behind it; `by` says by a login on which platform it was made, or (0) otherwise, or (`None`) that it was not made.
    ///
    /// # Errors
    /// [`Refused::Unavailable`]: others would go on to believe what is remembered, and nothing was changed; or the store has
    /// failed, and nobody knows.
    pub(crate) async fn change_tokens<C: Change>(
        &self,
        uid: &UserId,
        change: C,
        by: impl FnOnce(&C::Outcome) -> Option<u8>,
    ) -> Result<C::Outcome, Refused> {
        let Some(abroad) = self.abroad.get() else { return self.change(change).await };
        let begun = abroad.change(uid).await.ok_or(Refused::Unavailable)?;
        match self.try_change(change).await {
            Ok(Ok(outcome)) => {
                abroad.changed(uid, begun, by(&outcome));
                Ok(outcome)
            }
            // It may still be made: to others it is never over.
            Ok(Err(Failed)) => Err(Refused::Unavailable),
            Err(never_asked) => {
                abroad.changed(uid, begun, None);
                Err(never_asked)
            }
        }
    }

    /// What is remembered of a user's tokens is not what the store has.
    pub(crate) async fn forget_tokens(&self, uid: &UserId) {
        if let Some(abroad) = self.abroad.get() {
            abroad.forget(uid).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn link(index: u32) -> LinkId {
        LinkId { index, generation: 7 }
    }

    fn noted(comings: &mut Comings, index: u32, up: bool) {
        comings.note(Presence { uid: "ann", platform: 1, link: link(index), up });
    }

    #[test]
    fn a_link_waits_until_others_can_know_of_it_or_it_has_gone() {
        let mut comings = Comings::default();
        let waker = Waker::noop();
        assert!(!comings.has_news(waker));
        (1..=4).for_each(|index| noted(&mut comings, index, true));
        assert!(comings.has_news(waker) && comings.waits(link(1), waker));
        comings.known(link(1));
        noted(&mut comings, 2, false);
        assert!(!comings.waits(link(1), waker) && !comings.waits(link(2), waker));
        assert!(comings.waits(link(3), waker));
        comings.all_known();
        assert!(!comings.waits(link(3), waker));
        let came: Vec<_> = std::iter::from_fn(|| comings.next_came()).collect();
        assert_eq!(came, [1, 2, 3, 4].map(link), "also one that has gone since");
        let gone = Gone { uid: UserId::new("ann"), platform: 1, link: link(2) };
        assert_eq!((comings.next_gone(), comings.next_gone()), (Some(gone), None));
    }

    #[test]
    fn what_finds_no_place_is_told_as_missed() {
        let mut comings = Comings::default();
        (0..=NOTED_MAX as u32).for_each(|index| noted(&mut comings, index, true));
        assert!(comings.take_missed() && !comings.take_missed());
        (0..=NOTED_MAX as u32).for_each(|index| noted(&mut comings, index, false));
        assert_eq!(comings.next_gone().map(|gone| gone.link), Some(link(1)));
        assert_eq!((comings.came.len(), comings.unknown.len()), (NOTED_MAX, 0));
    }
}
