//! Links of one shard, held against the newest tokens that the stores have (R9): of users whom other processes named, or all.
//!
//! In: news, the time. Out: links that their tokens do not open any more are told and closed, as if it had been decided here.
//! A user without links here is passed over: whoever lets a link in reads the tokens then.
//!
//! All of them are compared at once when something may have been missed, and else at an easy pace, round after round: a
//! process that is killed behind its decision, before it has told it, is heard of by nobody. Comparing asks the store
//! itself, some users at a time; only of whom it has something else is anything done.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_config::Config;
use openim_record::UserId;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::events::News;
use super::rest::Rest;
use super::status::Status;
use crate::driver::{Beside, Core};

/// Users whose tokens are read at once. While the store is away they wait, and others behind them.
const AT_ONCE: usize = 32;
/// Links that are compared together.
const LINKS_TOGETHER: usize = 100;
/// What is waited behind them where something may have been missed: 2,000 links a second.
const HURRIED_PAUSE: Duration = Duration::from_millis(50);

/// How links of a shard are compared with the store while nothing was missed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From the beginning of a round to that of the next, at least.
    round: Duration,
    /// For so many links as are compared together.
    pause: Duration,
}

impl Pace {
    /// Of each of so many shards.
    pub(crate) fn new(config: &Config, shards: u16) -> Self {
        let cluster = &config.cluster;
        let links_per_second = f64::from(cluster.token_round_links.max(1));
        let pause = LINKS_TOGETHER as f64 * f64::from(shards) / links_per_second;
        let round = Duration::from_secs(cluster.token_round_seconds);
        Self { round, pause: Duration::from_secs_f64(pause) }
    }
}

/// The task that follows news.
pub(super) fn task(mut news: mpsc::Receiver<News>, pace: Pace, status: Arc<Status>) -> Beside {
    Box::new(move |core| {
        Box::pin(async move {
            let (places, asked) = (Arc::new(Semaphore::new(AT_ONCE)), Rc::new(Notify::new()));
            let (links, places_of_rounds) = (Rc::clone(&core), Arc::clone(&places));
            let rounds =
                Rounds { core: links, asked: Rc::clone(&asked), places: places_of_rounds, status };
            spawn_local(rounds.run(pace));
            while let Some(news) = news.recv().await {
                match news {
                    News::Tokens(uid, by) => begin(&core, &places, uid, by).await,
                    News::All => asked.notify_one(),
                }
            }
        })
    })
}

/// Who compares all links, again and again.
struct Rounds {
    core: Rc<Core>,
    /// Something may have been missed.
    asked: Rc<Notify>,
    places: Arc<Semaphore>,
    status: Arc<Status>,
}

impl Rounds {
    async fn run(self, pace: Pace) {
        let mut hurried = false;
        loop {
            let next = Instant::now() + pace.round;
            let pause = if hurried { HURRIED_PAUSE } else { pace.pause };
            let asked_meanwhile = self.round(hurried, pause).await;
            if hurried {
                self.status.swept();
            }
            hurried = asked_meanwhile
                || tokio::select! {
                    () = self.asked.notified() => true,
                    () = sleep_until(next) => false,
                };
        }
    }

    /// Compares all links that there are now. One that is not hurried ends when it is asked for again (`true`), or when the
    /// store is away.
    async fn round(&self, hurried: bool, pause: Duration) -> bool {
        let links: Vec<_> = self.core.shard.borrow().front().links().collect();
        for some in links.chunks(LINKS_TOGETHER) {
            let uids: BTreeSet<UserId> = {
                let shard = self.core.shard.borrow();
                some.iter().filter_map(|link| shard.front().uid(*link).cloned()).collect()
            };
            let uids = uids.into_iter().collect();
            let Some(differing) = self.compare(uids, hurried).await else { return false };
            for uid in differing {
                // What is remembered could be what was found wrong.
                self.core.forget_tokens(&uid).await;
                begin(&self.core, &self.places, uid, 0).await;
            }
            if hurried {
                sleep(pause).await;
                continue;
            }
            tokio::select! {
                () = self.asked.notified() => return true,
                () = sleep(pause) => {}
            }
        }
        false
    }

    /// Of whom the store has something else than this shard. `None`: it is away, and nobody is in a hurry.
    async fn compare(&self, uids: Vec<UserId>, hurried: bool) -> Option<Vec<UserId>> {
        let uids: Arc<[UserId]> = uids.into();
        let mut rest = Rest::new();
        let found = loop {
            let asked = Arc::clone(&uids);
            let found = self.core.query(async move |from| from.stored_tokens(&asked).await).await;
            match found {
                Ok(found) => break found,
                Err(_) if hurried => sleep(rest.next()).await,
                Err(_) => return None,
            }
        };
        let now_s = self.core.now().trusted_s();
        let shard = self.core.shard.borrow();
        let differing: Vec<UserId> = uids
            .iter()
            .zip(found)
            .filter(|(uid, stored)| {
                let has_links = shard.front().links_of(uid.as_str()).next().is_some();
                let access = stored.access.as_deref();
                has_links && shard.front().differs(uid.as_str(), &stored.newest, access, now_s)
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        self.status.compared(uids.len(), differing.len());
        Some(differing)
    }
}

/// Begins with a user when there is a place.
async fn begin(core: &Rc<Core>, places: &Arc<Semaphore>, uid: UserId, by: u8) {
    if !has_links(core, &uid) {
        return;
    }
    // Never closed.
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
    let core = Rc::clone(core);
    spawn_local(async move {
        hold(&core, &uid, by).await;
        drop(place);
    });
}

fn has_links(core: &Core, uid: &UserId) -> bool {
    core.shard.borrow().front().links_of(uid.as_str()).next().is_some()
}

/// Holds a user's links against what the stores have from now on.
async fn hold(core: &Rc<Core>, uid: &UserId, by: u8) {
    let mut rest = Rest::new();
    while core.reload(uid).await.is_err() {
        sleep(rest.next()).await;
        if !has_links(core, uid) {
            return;
        }
    }
    let now = core.now();
    core.with(|shard, io| shard.hold_to_tokens(uid.as_str(), by, now, io));
    core.end_turn(now);
}
