//! A shard's way to the directory: questions, changes, and what of it is kept in memory here.
//!
//! Kept are the profiles of users at home here (invalidated by the changes, which are made here too)
//! and, in the pure shard, the members of groups at home here. Membership changes of a group, and its
//! loading, take turns.

#[cfg(any(feature = "cluster", feature = "testing"))]
use std::cell::RefMut;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_record::{GroupId, Role, UserId, broken};
use openim_shard::Cache;
use openim_storage::port::{Member, StoreError, User};
use openim_workers::reads::{Answering, Read, Sources};
use openim_workers::{Done, Failed, Reply};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::asks::NoRoom;
use super::change::Change;
#[cfg(any(feature = "cluster", feature = "testing"))]
use super::memberships::Memberships;
use super::{Core, Given};
use crate::bus::Refused;
use crate::metrics::Waited;

/// Time between two looks whether the workers have room.
const LOOK_MS: u64 = 5;
/// Members of a group that are read at a time.
const MEMBERS_PAGE: usize = 4096;

/// What a shard keeps of the directory.
pub(crate) struct DirectoryCache {
    profiles: RefCell<Cache<Rc<User>>>,
    profiles_max: usize,
    /// Counts profile changes: what was read before one is not kept after it.
    changes: Cell<u64>,
    /// Groups that are being changed or loaded, one task at a time.
    turns: RefCell<HashMap<GroupId, Arc<Semaphore>>>,
    /// Who may write to groups, where their members are not in memory.
    #[cfg(any(feature = "cluster", feature = "testing"))]
    memberships: RefCell<Memberships>,
}

/// A group's turn, as long as it is held.
pub(crate) struct Turn {
    core: Rc<Core>,
    group: GroupId,
    permit: Option<OwnedSemaphorePermit>,
}

impl DirectoryCache {
    pub(crate) fn new(given: &Given) -> Self {
        Self {
            profiles: RefCell::new(Cache::new()),
            profiles_max: given.settings.profiles_max,
            changes: Cell::new(0),
            turns: RefCell::new(HashMap::new()),
            #[cfg(any(feature = "cluster", feature = "testing"))]
            memberships: RefCell::new(Memberships::new(Arc::clone(&given.group_changes))),
        }
    }

    /// Profiles in memory.
    pub(crate) fn profiles_len(&self) -> usize {
        self.profiles.borrow().len()
    }

    fn keep(&self, user: &Rc<User>) {
        let mut profiles = self.profiles.borrow_mut();
        match profiles.get_mut(user.uid.as_str()) {
            Some(kept) => *kept = Rc::clone(user),
            None => {
                let max = self.profiles_max;
                profiles.insert(&user.uid, Rc::clone(user), max, |_, _| true, |_, _| ());
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        let mut turns = self.core.directory.turns.borrow_mut();
        // Whoever waits holds it as well.
        if turns.get(&self.group).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.group);
        }
    }
}

impl Core {
    /// Waits, within the time that a send would wait, until the workers take another question.
    pub(crate) async fn patiently(&self, has_room: impl Fn(&Self) -> bool) -> Result<(), Refused> {
        let mut patience = self.settings.limits.front.send_timeout_ms / LOOK_MS;
        while !has_room(self) {
            if patience == 0 {
                return Err(Refused::Unavailable);
            }
            patience -= 1;
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
        Ok(())
    }

    /// Asks the directory; `question` runs on a reader's thread.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        question: impl AsyncFnOnce(&Sources) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refused> {
        self.patiently(|core| core.asks.readers_have_room()).await?;
        let question = Box::new(move |sources: Arc<Sources>| {
            let found =
                async move { question(&sources).await.map(|found| Box::new(found) as Reply) };
            Box::pin(found) as Answering
        });
        match self.read(Waited::Question, |ticket| Read::Ask(ticket, question)).await {
            Ok(Done::Asked(_, Ok(reply))) => {
                reply.downcast::<T>().map(|found| *found).map_err(|_| Refused::Unavailable)
            }
            _ => Err(Refused::Unavailable),
        }
    }

    /// Changes the directory, durably, and waits no longer than anybody waits for the stores. The change may be
    /// made all the same.
    pub(crate) async fn change_in_time<C: Change>(&self, change: C) -> Result<C::Outcome, Refused> {
        self.in_time(Waited::Change, self.change(change)).await?
    }

    /// Changes the directory, durably. Waits until the store has answered, and so belongs to tasks that nobody waits
    /// for without an end: those of [`Core::run_in_time`], which note what came of it.
    pub(crate) async fn change<C: Change>(&self, change: C) -> Result<C::Outcome, Refused> {
        self.try_change(change).await?.map_err(|Failed| Refused::Unavailable)
    }

    /// As [`Core::change`], and tells a change that was never asked for, which is an error, from one that failed:
    /// nobody knows whether that was made.
    pub(crate) async fn try_change<C: Change>(
        &self,
        change: C,
    ) -> Result<Result<C::Outcome, Failed>, Refused> {
        self.patiently(|core| core.asks.writer_has_room()).await?;
        let done = self.asks.write(|ticket| change.write(ticket)).await;
        let outcome = C::outcome(done.map_err(|NoRoom| Refused::Unavailable)?);
        Ok(outcome.unwrap_or_else(|| broken("the workers answer a change in its own kind")))
    }

    /// Waits until everything is taken that the log had handed to this shard: what anybody was told of is
    /// numbered then.
    pub(crate) async fn caught_up(&self) -> Result<(), Refused> {
        let before = self.wheel.drains();
        self.wheel.nudge();
        self.patiently(|core| core.wheel.drains() > before).await
    }

    // --- profiles ------------------------------------------------------------------------------

    /// The profiles of users at home here; same order.
    pub(crate) async fn profiles(&self, uids: &[UserId]) -> Result<Vec<Option<Rc<User>>>, Refused> {
        let mut found: Vec<Option<Rc<User>>> = {
            let mut profiles = self.directory.profiles.borrow_mut();
            uids.iter().map(|uid| profiles.get_mut(uid.as_str()).cloned()).collect()
        };
        let missing: Vec<usize> = (0..uids.len()).filter(|&at| found[at].is_none()).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let wanted: Vec<UserId> = missing.iter().map(|&at| uids[at].clone()).collect();
        let before = self.directory.changes.get();
        let read = self.query(async move |sources| sources.directory.users(&wanted).await).await?;
        let current = before == self.directory.changes.get();
        for (at, user) in missing.into_iter().zip(read) {
            let user = user.map(Rc::new);
            if let Some(user) = user.as_ref().filter(|_| current) {
                self.directory.keep(user);
            }
            found[at] = user;
        }
        Ok(found)
    }

    /// A profile was changed, durably: `None` when its row is gone.
    pub(crate) fn profile_changed(&self, uid: &UserId, user: Option<&Rc<User>>) {
        self.directory.changes.set(self.directory.changes.get() + 1);
        match user {
            Some(user) => self.directory.keep(user),
            None => self.directory.profiles.borrow_mut().remove_user(uid.as_str()),
        }
    }

    // --- groups --------------------------------------------------------------------------------

    /// Memberships of groups that are asked about here, as the stores have shown them.
    #[cfg(any(feature = "cluster", feature = "testing"))]
    pub(crate) fn memberships(&self) -> RefMut<'_, Memberships> {
        self.directory.memberships.borrow_mut()
    }

    /// Waits for a group's turn; in the order of asking.
    pub(crate) async fn group_turn(self: &Rc<Self>, group: &GroupId) -> Result<Turn, Refused> {
        let turn = {
            let mut turns = self.directory.turns.borrow_mut();
            Arc::clone(turns.entry(group.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        // Before it is there: who does not get it in time leaves nothing behind either.
        let mut held = Turn { core: Rc::clone(self), group: group.clone(), permit: None };
        let permit = self.in_time(Waited::Turn, turn.acquire_owned()).await?;
        // Never closed, so there is always a permit in the end.
        held.permit = permit.ok();
        Ok(held)
    }

    /// Brings a group at home here into memory, in its turn. `false`: there is no such group.
    pub(crate) async fn load_group(&self, turn: &Turn) -> Result<bool, Refused> {
        let group = &turn.group;
        if self.shard.borrow().groups().knows(group.as_str()) {
            return Ok(true);
        }
        let id = group.clone();
        let row = self.query(async move |sources| sources.groups.groups(&[id]).await).await?;
        let Some(version) = row.into_iter().flatten().map(|row| row.version).next() else {
            return Ok(false);
        };
        let mut members: Vec<(UserId, Role)> = Vec::new();
        self.pages_of_members(group, |page| {
            members.extend(page.into_iter().map(|member| (member.uid, member.role)));
            ControlFlow::Continue(())
        })
        .await?;
        self.shard.borrow_mut().groups_mut().load(group, version, members);
        Ok(true)
    }

    /// Reads the members of a group, a page at a time, in the order of the store, until there are no more or `take` has enough.
    pub(crate) async fn pages_of_members(
        &self,
        group: &GroupId,
        mut take: impl FnMut(Vec<Member>) -> ControlFlow<()>,
    ) -> Result<(), Refused> {
        let mut after: Option<UserId> = None;
        loop {
            let group = group.clone();
            let page = self.query(async move |sources| {
                sources.groups.members(&group, after.as_ref(), MEMBERS_PAGE).await
            });
            let page = page.await?;
            after = page.last().map(|member| member.uid.clone());
            let is_last = page.len() < MEMBERS_PAGE;
            if take(page).is_break() || is_last {
                return Ok(());
            }
        }
    }

    /// Brings a group into memory, in its turn, if it is not there. `false`: there is no such group.
    pub(crate) async fn ensure_group(self: &Rc<Self>, group: &GroupId) -> Result<bool, Refused> {
        let turn = self.group_turn(group).await?;
        self.load_group(&turn).await
    }
}
