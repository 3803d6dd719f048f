//! What somebody does not receive (receive option 1), brought from the store into the shards at the start.

use anyhow::Context as _;
use openim_record::{Conversation, Placement, UserId};
use openim_shard::Shard;
use openim_storage::embedded::EmbeddedPreferences;
use openim_storage::port::NOT_RECEIVED;

/// Users, and conversations that they do not receive.
#[derive(Default)]
pub(super) struct Held(Vec<(UserId, Box<str>)>);

impl Held {
    /// Reads them, up to `max`; of others it is told that they have no effect.
    pub(super) fn read(preferences: &EmbeddedPreferences, max: usize) -> anyhow::Result<Self> {
        let (mut held, mut left_out) = (Vec::new(), 0_u64);
        preferences
            .with_option(NOT_RECEIVED, &mut |user, conversation| {
                if Conversation::read(user, conversation).is_none() {
                    return;
                }
                if held.len() < max {
                    held.push((UserId::new(user), conversation.into()));
                } else {
                    left_out += 1;
                }
            })
            .context("cannot read which conversations are not received")?;
        if left_out > 0 {
            tracing::warn!(
                "{left_out} conversations more than limits.unwantedMax are not to be received: they are, until that is raised and \
                 the server started again"
            );
        }
        Ok(Self(held))
    }

    /// Tells the shard that decides about each.
    pub(super) fn tell(&self, states: &mut [Shard], placement: Placement) {
        let shards = u16::try_from(states.len()).unwrap_or(u16::MAX);
        for (user, conversation) in &self.0 {
            let Some(conversation) = Conversation::read(user.as_str(), conversation) else {
                continue;
            };
            let home = usize::from(placement.home(conversation.whose(), shards));
            if let Some(shard) = states.get_mut(home) {
                shard.set_unwilling(user, conversation, true);
            }
        }
    }
}
