//! The way from the thread of offline push to the shards: a question goes there and its answer comes back.
//!
//! Bounded: a question at a time runs on a shard, and a few wait. Who asks waits for room, as nobody else does.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_record::Placement;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::driver::{Beside, Core};

/// Questions to a shard that wait.
const WAITING_MAX: usize = 8;
/// Whoever asks waits no longer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The ways to all shards.
#[derive(Clone)]
pub(crate) struct Ways {
    ways: Arc<[mpsc::Sender<Beside>]>,
    placement: Placement,
}

/// A way to each shard, and what runs there.
pub(crate) fn ways(shards: u16, placement: Placement) -> (Ways, Vec<Beside>) {
    let mut ways = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..shards {
        let (way, mut asked) = mpsc::channel::<Beside>(WAITING_MAX);
        ways.push(way);
        let answering: Beside = Box::new(move |core| {
            Box::pin(async move {
                while let Some(question) = asked.recv().await {
                    question(Rc::clone(&core)).await;
                }
            })
        });
        ends.push(answering);
    }
    (Ways { ways: ways.into(), placement }, ends)
}

impl Ways {
    /// The shard that is home to a user.
    pub(super) fn home(&self, uid: &str) -> usize {
        let shards = u16::try_from(self.ways.len()).unwrap_or(u16::MAX);
        self.placement.home(uid, shards).into()
    }

    /// How many shards there are.
    pub(super) fn len(&self) -> usize {
        self.ways.len()
    }

    /// Runs a question on a shard, and gives its answer; `None`: none came in time.
    pub(super) async fn at<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(Rc<Core>) -> F + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let asked: Beside = Box::new(move |core| {
            Box::pin(async move {
                // Who asked may be gone.
                let _gone = tell.send(question(core).await);
            })
        });
        let answer = async {
            self.ways.get(shard)?.send(asked).await.ok()?;
            told.await.ok()
        };
        timeout(ANSWER_TIME, answer).await.ok().flatten()
    }
}
