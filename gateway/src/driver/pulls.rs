//! Long pulls under way on one shard: each user has one at most, and all together a share of the memory.

use std::cell::RefCell;
use std::collections::HashSet;

use openim_record::UserId;

use crate::settings::Settings;

/// What a pull holds in the middle of its answer: records that were fetched, the text of a part, and the
/// same text in the outbox.
pub(crate) const PULL_BYTES: usize = 256 * 1024;

/// See the module.
pub(crate) struct Pulls {
    users: RefCell<HashSet<UserId>>,
    max: usize,
}

impl Pulls {
    pub(crate) fn new(settings: &Settings) -> Self {
        let by_bytes = (settings.shares.pulls / PULL_BYTES).max(1);
        Self { users: RefCell::default(), max: settings.pulls_max.min(by_bytes) }
    }

    /// Whether a user may begin one now; if so, [`Self::end`] must follow.
    pub(crate) fn begin(&self, user: &UserId) -> bool {
        let mut users = self.users.borrow_mut();
        users.len() < self.max && users.insert(user.clone())
    }

    pub(crate) fn end(&self, user: &UserId) {
        self.users.borrow_mut().remove(user);
    }

    pub(crate) fn len(&self) -> usize {
        self.users.borrow().len()
    }
}
