//! What joins the shards of one process with a cluster's components: other processes learn where its links are, what it
//! decides about tokens and which groups it changes, and it learns the same of them.
//!
//! In: links that come and go, decisions, changes, the stream of events, what transfers tell its fronts. Out: entries and marks
//! ([`desk`], [`announcing`]), events ([`tell`], [`events`]), links that are held against the stores ([`tokens`]), deliveries
//! and settlements into the shards' queues ([`fronts`]). All calls to components run on the threads of their clients; a
//! shard's own thread awaits them in tasks beside it.

mod announcing;
mod desk;
mod events;
mod fronts;
mod reached;
mod rest;
mod status;
mod tell;
mod tokens;
mod tokens_abroad;
mod whole;

use std::future::ready;
use std::sync::{Arc, Weak};

use openim_cluster::Runtime;
use openim_cluster::redis::{Event, Events, Presence, Redis, TokenStates};
use openim_record::{Placement, Process, UserId};
use tokio::sync::mpsc;

pub(crate) use self::fronts::Here;
pub(crate) use self::reached::Reached;
pub(crate) use self::status::Status;
pub(crate) use self::tokens::Pace;
pub(crate) use self::whole::Whole;

use self::announcing::Announcing;
use self::events::{Listening, NEWS_MAX, listen};
use self::tell::Tell;
use self::tokens_abroad::TellsOfTokens;
use crate::driver::{Beside, FromBacks, GroupChanges};

/// Ways to Redis, one for each purpose: none waits behind the calls of another.
pub(crate) struct Ways {
    pub(crate) presence: Redis,
    pub(crate) events: Redis,
    pub(crate) tells: Redis,
    /// For whoever comes in and waits for it.
    pub(crate) tokens: TokenStates,
}

/// A process that is joined.
pub(crate) struct Joined {
    /// What runs beside each shard, by its number.
    pub(crate) beside: Vec<Vec<Beside>>,
    pub(crate) status: Arc<Status>,
}

/// The shards that are to be joined.
pub(crate) struct Shards {
    pub(crate) count: u16,
    pub(crate) placement: Placement,
    /// The id of shard 0.
    pub(crate) base: Process,
    pub(crate) backs: FromBacks,
    /// What they know of groups, as long as they are there.
    pub(crate) group_changes: Weak<GroupChanges>,
}

/// Joins the shards of a process: what they decide and change is told, and what others tell is heard. Of those that have
/// links, with the pace at which these are compared with the store, also the entries and marks.
pub(crate) fn join(runtime: &Runtime, ways: Ways, shards: Shards, links: Option<Pace>) -> Joined {
    let Shards { count, placement, base, backs, group_changes: groups } = shards;
    let status = Arc::new(Status::new(links.map_or(0, |_| count), ways.tokens.looks()));
    let telling = Telling::start(runtime, ways.tells, &status);
    let presence = Presence::new(ways.presence);
    let mut ends = Vec::new();
    let part = |shard| {
        let mut beside = vec![telling.of_shard(), looking(runtime, &presence)];
        if let Some(pace) = links {
            let (send, news) = mpsc::channel(NEWS_MAX);
            ends.push(send);
            let announcing = Announcing {
                runtime: runtime.clone(),
                presence: presence.clone(),
                process: base.front(shard),
                tell: telling.tell.clone(),
                status: Arc::clone(&status),
            };
            beside.extend([announcing.task(), tokens::task(news, pace, Arc::clone(&status))]);
        }
        beside
    };
    let beside = (0..count).map(part).collect();
    let events = Events::new(ways.events);
    let status_of = Arc::clone(&status);
    let to = Listening { groups, shards: ends, backs, placement, base, status: status_of };
    // It ends with the shards.
    drop(runtime.begin(listen(events, to)));
    Joined { beside, status }
}

/// How the shards tell others what they decide and change.
struct Telling {
    runtime: Runtime,
    tell: Tell,
    tokens: TokenStates,
}

impl Telling {
    fn start(runtime: &Runtime, tells: Redis, status: &Arc<Status>) -> Self {
        let tokens = TokenStates::new(tells.clone());
        let tell = Tell::start(runtime, tells, tokens.clone(), Arc::clone(status));
        Self { runtime: runtime.clone(), tell, tokens }
    }

    /// Gives a shard its way.
    fn of_shard(&self) -> Beside {
        let Self { runtime, tell, tokens } = self;
        let (runtime, tell, tokens) = (runtime.clone(), tell.clone(), tokens.clone());
        Box::new(move |core| {
            let of_groups = tell.clone();
            core.tell_groups_abroad(Box::new(move |group| {
                of_groups.event(Event::Group(group.clone()));
            }));
            core.tell_abroad(Box::new(TellsOfTokens { runtime, tell, tokens }));
            Box::pin(ready(()))
        })
    }
}

/// Gives a shard its way to find links of other processes.
fn looking(runtime: &Runtime, presence: &Presence) -> Beside {
    let (runtime, presence) = (runtime.clone(), presence.clone());
    Box::new(move |core| {
        core.look_abroad(Box::new(move |users: Vec<UserId>| {
            let presence = presence.clone();
            let begun = runtime.begin(async move { presence.platforms(&users).await });
            Box::pin(async move { begun.answer().await?.ok() })
        }));
        Box::pin(ready(()))
    })
}
