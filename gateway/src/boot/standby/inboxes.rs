//! The inboxes of a standby: numbered from the log as a start does, and stored, so that a start has little left to do.
//!
//! In: what the log has got. Out: batches in the history. Bounded: users in memory by `limits.cachedUsersMax`, what is not
//! stored by what came between two calls.

use anyhow::Context as _;
use openim_config::Config;
use openim_record::{Placement, Position};
use openim_shard::Shard;
use openim_storage::embedded::standby::Standby;
use openim_storage::port::{History as _, wait};

use crate::recovery::{empty, replay};
use crate::settings::Settings;

/// See the module.
pub(super) struct Inboxes {
    states: Vec<Shard>,
    placement: Placement,
    /// Where the log ended when all of it was applied. It may have more since, where a change in it could not be applied.
    applied: Position,
    stored: Position,
}

/// Log between two stores.
const STORE_BYTES: u64 = 4 << 20;

impl Inboxes {
    /// As the history has them, with what the log has besides.
    pub(super) fn open(config: &Config, standby: &mut Standby) -> anyhow::Result<Self> {
        let settings = Settings::new(config, String::new(), 1);
        let placement = standby.storage.placement;
        // Whom one message names must find room at once.
        let users_max = settings.limits.back.users_max.max(4 * config.limits.group_members_max);
        let states = empty(&settings, placement, 1);
        let mut inboxes = Self { states, placement, applied: Position(0), stored: Position(0) };
        inboxes.apply(standby)?;
        inboxes.store(standby)?;
        inboxes.states.iter_mut().for_each(|shard| shard.set_users_max(users_max));
        Ok(inboxes)
    }

    /// Applies what the log has got; stores it where it is much.
    pub(super) fn apply(&mut self, standby: &mut Standby) -> anyhow::Result<()> {
        let storage = &mut standby.storage;
        let head = storage.log.head();
        let history = storage.history.as_ref();
        let replayed = replay(&mut self.states, self.placement, &mut storage.tail, history);
        replayed.inspect_err(|error| {
            if let Some(cause) = error.downcast_ref() {
                // Damage has the next opening make the index anew.
                storage.mend.met(cause);
            }
        })?;
        self.applied = head;
        match self.applied.0.saturating_sub(self.stored.0) >= STORE_BYTES {
            true => self.store(standby),
            false => Ok(()),
        }
    }

    /// Stores what was applied.
    pub(super) fn store(&mut self, standby: &Standby) -> anyhow::Result<()> {
        if self.applied == self.stored {
            return Ok(());
        }
        let storage = &standby.storage;
        for shard in &mut self.states {
            let Some(batch) = shard.take_batch(self.applied) else { continue };
            wait(storage.history.store(&batch)).context("cannot store inboxes")?;
            shard.stored();
        }
        self.stored = self.applied;
        Ok(())
    }
}
