//! Links of one shard, held against the newest tokens that the stores have (R9): of users whom other processes named, or all.
//!
//! In: news. Out: links that their tokens do not open any more are told and closed, as if it had been decided here. A user
//! without links here is passed over: whoever lets a link in reads the tokens then.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_record::UserId;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::events::News;
use super::rest::Rest;
use super::status::Status;
use crate::driver::{Beside, Core};

/// Users whose tokens are read at once. While the store is away they wait, and others behind them.
const AT_ONCE: usize = 32;
/// Links of a sweep that are looked at together, and what is waited behind them: 2,000 a second.
const SWEEP_LINKS: usize = 100;
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// The task that follows news.
pub(super) fn task(mut news: mpsc::Receiver<News>, status: Arc<Status>) -> Beside {
    Box::new(move |core| {
        Box::pin(async move {
            let (places, sweep) = (Arc::new(Semaphore::new(AT_ONCE)), Rc::new(Notify::new()));
            spawn_local(sweeps(Rc::clone(&core), Rc::clone(&sweep), Arc::clone(&places), status));
            while let Some(news) = news.recv().await {
                match news {
                    News::Tokens(uid, by) => begin(&core, &places, uid, by).await,
                    News::All => sweep.notify_one(),
                }
            }
        })
    })
}

/// Sweeps whenever it is asked for; once more if it was asked for meanwhile.
async fn sweeps(core: Rc<Core>, asked: Rc<Notify>, places: Arc<Semaphore>, status: Arc<Status>) {
    loop {
        asked.notified().await;
        let links: Vec<_> = core.shard.borrow().front().links().collect();
        for some in links.chunks(SWEEP_LINKS) {
            for link in some {
                let uid = core.shard.borrow().front().uid(*link).cloned();
                if let Some(uid) = uid {
                    begin(&core, &places, uid, 0).await;
                }
            }
            sleep(SWEEP_PAUSE).await;
        }
        status.swept();
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
