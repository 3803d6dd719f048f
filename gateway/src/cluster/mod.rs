//! What joins the shards of one process with a cluster's components: other processes learn where its links are and what it
//! decides about tokens, and it learns the same of them.
//!
//! In: links that come and go, decisions, the stream of events, what transfers tell its fronts. Out: entries and marks
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
use std::sync::Arc;

use openim_cluster::Runtime;
use openim_cluster::redis::{Events, Presence, Redis, TokenStates};
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
use crate::driver::{Beside, FromBacks};

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

/// Joins the shards of a process that has links: their entries and marks, the stream both ways. `base` is the id of its
/// shard 0.
pub(crate) fn join(
    runtime: &Runtime,
    ways: Ways,
    base: Process,
    (placement, shards): (Placement, u16),
    pace: Pace,
    backs: FromBacks,
) -> Joined {
    let status = Arc::new(Status::new(shards, ways.tokens.looks()));
    let telling = Telling::start(runtime, ways.tells, &status);
    let presence = Presence::new(ways.presence);
    let mut ends = Vec::new();
    let part = |shard| {
        let (send, news) = mpsc::channel(NEWS_MAX);
        ends.push(send);
        let announcing = Announcing {
            runtime: runtime.clone(),
            presence: presence.clone(),
            process: base.front(shard),
            tell: telling.tell.clone(),
            status: Arc::clone(&status),
        };
        let news = tokens::task(news, pace, Arc::clone(&status));
        vec![telling.of_shard(), looking(runtime, &presence), announcing.task(), news]
    };
    let beside = (0..shards).map(part).collect();
    let events = Events::new(ways.events);
    let to = Listening { shards: ends, backs, placement, base, status: Arc::clone(&status) };
    // It ends with the shards.
    drop(runtime.begin(listen(events, to)));
    Joined { beside, status }
}

/// Joins the shards of a process without links, which decides about tokens all the same.
pub(crate) fn join_deciding(
    runtime: &Runtime,
    tells: Redis,
    tokens: TokenStates,
    shards: u16,
) -> Joined {
    let status = Arc::new(Status::new(0, tokens.looks()));
    let presence = Presence::new(tells.clone());
    let telling = Telling::start(runtime, tells, &status);
    let beside = |_| vec![telling.of_shard(), looking(runtime, &presence)];
    let beside = (0..shards).map(beside).collect();
    Joined { beside, status }
}

/// How the shards tell others what they decide.
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
