//! What other processes tell (R9): the stream of events, read once for all shards of this process.
//!
//! In: the stream, looked at a few times a second. Out: to each shard what concerns its users' links ([`News`]), and to all
//! of them which groups have changed ([`GroupChanges`]). Where something may have been missed (a gap, a Redis that was
//! away, a shard that was behind) its links are all looked at, and any group may have changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use openim_cluster::redis::{Event, Events, Told};
use openim_record::{Placement, Process, UserId};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::fronts::shard_of;
use super::rest::Rest;
use super::status::Status;
use crate::driver::{FromBack, FromBacks, GroupChanges};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Events of one look behind which there are more, perhaps.
const MANY: usize = 500;
/// News that wait for one shard.
pub(super) const NEWS_MAX: usize = 1_024;
/// What a shard that takes no news is waited for.
const BEHIND: Duration = Duration::from_secs(1);

/// What a shard is to do with its links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Hold those of a user against what the store has now; a login on this platform was the reason, or (0) none.
    Tokens(UserId, u8),
    /// All of them.
    All,
}

/// Where events go to.
pub(super) struct Listening {
    /// What the shards know of groups. It goes with the last of them.
    pub(super) groups: Weak<GroupChanges>,
    /// To each shard that has links, by its number.
    pub(super) shards: Vec<mpsc::Sender<News>>,
    pub(super) backs: FromBacks,
    pub(super) placement: Placement,
    /// Of shard 0.
    pub(super) base: Process,
    pub(super) status: Arc<Status>,
}

/// Listens until no shard does any more.
pub(super) async fn listen(mut events: Events, to: Listening) {
    let mut rest = Rest::new();
    let mut behind = vec![false; to.shards.len()];
    let mut missed = false;
    while to.groups.strong_count() > 0 {
        let told = match events.look().await {
            Ok(told) => told,
            Err(error) => {
                to.status.events(Some(&error));
                // Whoever could not tell either has given up, perhaps. They look when it is over.
                missed = true;
                sleep(rest.next()).await;
                continue;
            }
        };
        to.status.events(None::<&&str>);
        rest.over();
        if std::mem::take(&mut missed) || told == Told::Gap {
            to.pass_on(Event::All, &mut behind).await;
        }
        let mut pause = LOOK;
        if let Told::These(events) = told {
            if events.len() >= MANY {
                pause = Duration::ZERO;
            }
            for event in events {
                to.pass_on(event, &mut behind).await;
            }
        }
        to.catch_up(&mut behind);
        sleep(pause).await;
    }
}

impl Listening {
    /// An event for the shards that it concerns, and who of them is behind now.
    async fn pass_on(&self, event: Event, behind: &mut [bool]) {
        match event {
            Event::Group(group) => self.of_groups(|groups| groups.note(&group)),
            Event::All => {
                self.of_groups(GroupChanges::note_all);
                behind.fill(true);
            }
            _ if self.shards.is_empty() => {}
            Event::Tokens { user, by } => {
                let shards = u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
                let at = usize::from(self.placement.home(user.as_str(), shards));
                let (Some(shard), Some(behind)) = (self.shards.get(at), behind.get_mut(at)) else {
                    return;
                };
                // Whoever looks at all links looks at this user's.
                if !*behind {
                    *behind = shard.send_timeout(News::Tokens(user, by), BEHIND).await.is_err();
                }
            }
            Event::Replaced(entry) => {
                if let Some(shard) = shard_of(self.base, entry.process) {
                    // One that is late for this is told by its next look at its entries.
                    let told = self.backs.tell(shard, FromBack::Replaced(entry.link));
                    let _late = timeout(BEHIND, told).await;
                }
            }
        }
    }

    /// Notes a change for the shards, as long as there are any.
    fn of_groups(&self, note: impl FnOnce(&GroupChanges)) {
        if let Some(groups) = self.groups.upgrade() {
            note(&groups);
        }
    }

    /// Has those who are behind look at all their links, as far as they take it now.
    fn catch_up(&self, behind: &mut [bool]) {
        for (shard, behind) in self.shards.iter().zip(behind) {
            *behind = *behind && shard.try_send(News::All).is_err();
        }
    }
}
