//! The way from the operators' thread to the shards: a question goes there as a task of theirs, and its answer comes back.
//!
//! Bounded: [`UNDER_WAY_MAX`] questions at once, the next one is refused; besides, one a shard of the page Live. A shard sees a message in
//! a channel, takes no lock, and waits for nobody. Never: state of a shard on this thread.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use openim_record::Placement;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::serve::Refusal;
use crate::bus::Refused;
use crate::driver::{Beside, Core};

/// Questions that the shards have together, whoever still waits for them.
pub(super) const UNDER_WAY_MAX: usize = 32;
/// Whoever asks waits no longer. Less than a connection may take.
const ANSWER_TIME: Duration = Duration::from_secs(8);

/// The ways to all shards.
#[derive(Clone)]
pub(crate) struct Asking {
    ways: Arc<[mpsc::Sender<Beside>]>,
    placement: Placement,
    places: Arc<Semaphore>,
}

/// A way to each shard, and what runs there.
pub(crate) fn ways(shards: u16, placement: Placement) -> (Asking, Vec<Beside>) {
    let mut ways = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..shards {
        let (way, mut asked) = mpsc::channel::<Beside>(UNDER_WAY_MAX + 1);
        ways.push(way);
        let answering: Beside = Box::new(move |core| {
            Box::pin(async move {
                while let Some(question) = asked.recv().await {
                    tokio::task::spawn_local(question(Rc::clone(&core)));
                }
            })
        });
        ends.push(answering);
    }
    (Asking { ways: ways.into(), placement, places: Arc::new(Semaphore::new(UNDER_WAY_MAX)) }, ends)
}

impl Asking {
    /// Questions that are under way.
    pub(super) fn under_way(&self) -> usize {
        UNDER_WAY_MAX - self.places.available_permits()
    }

    /// Runs `question` on the home shard of a user, and gives its answer.
    pub(super) async fn at_home<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        uid: &str,
        question: impl FnOnce(Rc<Core>) -> F + Send + 'static,
    ) -> Result<T, Refusal> {
        let shards = u16::try_from(self.ways.len()).unwrap_or(u16::MAX);
        self.at(usize::from(self.placement.home(uid, shards)), question).await
    }

    /// Runs `question` on a shard.
    pub(super) async fn at<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(Rc<Core>) -> F + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = || {
            let text = "too many questions are under way: ask again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let told = self.hand(shard, Some(place), question).map_err(|why| match why {
            TrySendError::Full(_) => busy(),
            TrySendError::Closed(_) => {
                let text = "the server is stopping";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", text)
            }
        })?;
        let late = || {
            let text = "the server did not answer in time: it starts, or stops, or is stuck";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "late", text)
        };
        timeout(ANSWER_TIME, told).await.map_err(|_| late())?.map_err(|_| late())
    }

    /// Hands a shard a question that has no place of its own: whoever does so has one under way there at most, and waits for none.
    pub(super) fn aside<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(Rc<Core>) -> F + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, TrySendError<Beside>> {
        self.hand(shard, None, question)
    }

    /// Refused where the shard has ended, or takes no more questions.
    fn hand<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        shard: usize,
        place: Option<OwnedSemaphorePermit>,
        question: impl FnOnce(Rc<Core>) -> F + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, TrySendError<Beside>> {
        let (tell, told) = oneshot::channel();
        let asked: Beside = Box::new(move |core| {
            Box::pin(async move {
                // Who asked may have gone.
                drop(tell.send(question(core).await));
                drop(place);
            })
        });
        match self.ways.get(shard) {
            Some(way) => way.try_send(asked)?,
            None => return Err(TrySendError::Closed(asked)),
        }
        Ok(told)
    }
}

impl From<Refused> for Refusal {
    fn from(why: Refused) -> Self {
        let (status, word, text) = match why {
            Refused::UnknownUser => {
                (StatusCode::NOT_FOUND, "unknown", "there is no such user".to_owned())
            }
            Refused::Exists => (StatusCode::CONFLICT, "exists", "the uid is taken".to_owned()),
            Refused::Banned(ban) => {
                (StatusCode::CONFLICT, "banned", format!("the user is banned: {}", ban.reason))
            }
            Refused::Group(why) => {
                (StatusCode::CONFLICT, "group", format!("the group does not take that: {why:?}"))
            }
            _ => {
                (StatusCode::SERVICE_UNAVAILABLE, "late", "the stores do not answer now".to_owned())
            }
        };
        Self::new(status, word, text)
    }
}
