//! How often users at home here may do something: budgets by user, over all their links and calls.
//!
//! In: who, the rate, the time. Out: yes, or how long to wait. Only users who did it a short while ago are
//! remembered, at most as many as users in memory; who is forgotten begins with a whole budget.

use openim_record::UserId;
use openim_shard::Cache;

use super::Core;
use crate::rate::Rate;

#[derive(Debug)]
struct Budget {
    left: u64,
    at_ms: u64,
}

/// The budgets for one kind of act.
#[derive(Debug)]
pub(crate) struct Quota {
    users: Cache<Budget>,
    users_max: usize,
}

impl Quota {
    pub(crate) fn new(users_max: usize) -> Self {
        Self { users: Cache::new(), users_max: users_max.max(1) }
    }

    /// Takes one act out of a user's budget.
    ///
    /// # Errors
    /// Milliseconds until there is enough.
    pub(crate) fn take(&mut self, uid: &str, rate: Rate, now_ms: u64) -> Result<(), u32> {
        if !rate.limits() {
            return Ok(());
        }
        let cost = rate.cost();
        let Some(budget) = self.users.get_mut(uid) else {
            let budget = Budget { left: rate.full() - cost, at_ms: now_ms };
            self.users.insert(&UserId::new(uid), budget, self.users_max, |_, _| true, |_, _| ());
            return Ok(());
        };
        let earned = rate.earned(now_ms.saturating_sub(budget.at_ms));
        budget.left = budget.left.saturating_add(earned).min(rate.full());
        budget.at_ms = now_ms;
        match budget.left.checked_sub(cost) {
            Some(left) => {
                budget.left = left;
                Ok(())
            }
            None => Err(rate.wait_ms(cost - budget.left)),
        }
    }

    /// Gives back what was taken for an act that was not done.
    pub(crate) fn give_back(&mut self, uid: &str, rate: Rate) {
        if let Some(budget) = self.users.get_mut(uid).filter(|_| rate.limits()) {
            budget.left = budget.left.saturating_add(rate.cost()).min(rate.full());
        }
    }
}

/// All budgets of a shard.
#[derive(Debug)]
pub(crate) struct Spent {
    sends: Quota,
    to_strangers: Quota,
    profile_changes: Quota,
}

impl Spent {
    pub(crate) fn new(users_max: usize) -> Self {
        let quota = || Quota::new(users_max);
        Self { sends: quota(), to_strangers: quota(), profile_changes: quota() }
    }
}

impl Core {
    fn may_pace(&self, uid: &str) -> bool {
        !self.settings.is_manager(uid)
    }

    /// Whether sends of anybody are paced.
    pub(crate) fn paces(&self) -> bool {
        let quotas = self.live().quotas;
        quotas.sends.limits() || quotas.to_strangers.limits()
    }

    /// Takes a send of a user at home here out of their budget, and one to a stranger out of that as well.
    ///
    /// # Errors
    /// Milliseconds until it may be sent.
    pub(crate) fn take_send(&self, uid: &str, to_stranger: bool) -> Result<(), u32> {
        if !self.paces() || !self.may_pace(uid) {
            return Ok(());
        }
        let (quotas, now_ms) = (self.live().quotas, self.now().mono_ms);
        let mut spent = self.quotas.borrow_mut();
        let mut taken = spent.sends.take(uid, quotas.sends, now_ms);
        if taken.is_ok() && to_stranger {
            taken = spent.to_strangers.take(uid, quotas.to_strangers, now_ms);
            if taken.is_err() {
                spent.sends.give_back(uid, quotas.sends);
            }
        }
        if taken.is_err() {
            self.metrics.sends_paced.add(1);
        }
        taken
    }

    /// A send that was taken out of the budget was not sent; it is offered again.
    pub(crate) fn give_back_send(&self, uid: &str) {
        self.quotas.borrow_mut().sends.give_back(uid, self.live().quotas.sends);
    }

    /// Takes a change of a profile at home here out of the budget for it; whether there was enough.
    pub(crate) fn take_profile_change(&self, uid: &str) -> bool {
        let (rate, now_ms) = (self.live().quotas.profile_changes, self.now().mono_ms);
        self.quotas.borrow_mut().profile_changes.take(uid, rate, now_ms).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_for_each_user() {
        let mut quota = Quota::new(10);
        let rate = Rate::per_second(5);
        for _ in 0..10 {
            assert_eq!(quota.take("ann", rate, 0), Ok(()));
        }
        assert_eq!(quota.take("ann", rate, 0), Err(200));
        assert_eq!(quota.take("ann", rate, 199), Err(1));
        assert_eq!(quota.take("bob", rate, 199), Ok(()), "a budget of their own");
        assert_eq!(quota.take("ann", rate, 200), Ok(()));
        assert_eq!(quota.take("ann", rate, 200), Err(200));
        quota.give_back("ann", rate);
        assert_eq!(quota.take("ann", rate, 200), Ok(()));
        // No more than a burst is saved up, and a clock that stands still gives nothing.
        let taken = (0..100).filter(|_| quota.take("ann", rate, 1_000_000).is_ok()).count();
        assert_eq!(taken, 10);
        assert_eq!(quota.take("ann", Rate::per_second(0), 0), Ok(()), "no limit");
        let minute = Rate::per_minute(1);
        let taken: Vec<_> = (0..3).map(|_| quota.take("cat", minute, 0)).collect();
        assert_eq!(taken, [Ok(()), Ok(()), Err(60_000)]);
    }

    #[test]
    fn few_are_remembered() {
        let mut quota = Quota::new(4);
        for n in 0..1_000 {
            assert_eq!(quota.take(&format!("u{n}"), Rate::per_second(1), 0), Ok(()));
        }
        assert!(quota.users.len() <= 5, "{}", quota.users.len());
    }
}
