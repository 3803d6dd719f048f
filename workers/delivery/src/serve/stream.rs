//! One stream: batches in, answers out, both in order.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tonic::{Code, Status, Streaming};

use super::connection::Phase;
use super::hand::hand;
use super::{Fronts, Streams};
use crate::wire;

/// Takes batches one by one. The next is not read before the answer to the last is taken: what a peer sends ahead waits
/// in its own memory.
pub(super) struct Teller {
    pub(super) peer: SocketAddr,
    pub(super) fronts: Arc<dyn Fronts>,
    pub(super) streams: Streams,
    pub(super) batches: Streaming<Bytes>,
}

/// The answers, as they come. Dropped, their stream is over and so is whatever it waits for.
pub(super) struct Answers {
    answers: mpsc::Receiver<Result<Bytes, Status>>,
    task: AbortHandle,
    phase: watch::Sender<Phase>,
}

impl Answers {
    pub(super) fn of(teller: Teller, phase: watch::Sender<Phase>) -> Self {
        let (told, answers) = mpsc::channel(1);
        let task = tokio::spawn(teller.run(told)).abort_handle();
        Self { answers, task, phase }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.task.abort();
        self.phase.send_replace(Phase::Over);
    }
}

impl tokio_stream::Stream for Answers {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers.poll_recv(cx)
    }
}

impl Teller {
    async fn run(mut self, answers: mpsc::Sender<Result<Bytes, Status>>) {
        tracing::info!(peer = %self.peer, "a stream of deliveries begins");
        let ended = self.turn(&answers).await;
        let peer = self.peer;
        let Err(status) = ended else {
            tracing::info!(%peer, "a stream of deliveries has ended");
            return;
        };
        match status.code() {
            // Its transfer is gone, or the way to it.
            Code::Cancelled | Code::Unknown | Code::Unavailable => {
                tracing::info!(%peer, reason = %status.message(), "a stream of deliveries has ended");
            }
            _ => {
                tracing::warn!(%peer, error = %status.message(), "a stream of deliveries is ended");
            }
        }
        drop(answers.send(Err(status)).await);
    }

    /// Until the other side ends it, or says what nobody understands.
    async fn turn(&mut self, answers: &mpsc::Sender<Result<Bytes, Status>>) -> Result<(), Status> {
        let Some(hello) = self.batches.message().await? else { return Ok(()) };
        wire::greeted(&hello)
            .map_err(|stranger| Status::failed_precondition(stranger.to_string()))?;
        let _stands = self.streams.one_more();
        let mut answer = wire::hello();
        while answers.send(Ok(answer)).await.is_ok() {
            let Some(batch) = self.batches.message().await? else { break };
            let parts = wire::read(&batch)
                .map_err(|garbage| Status::invalid_argument(garbage.to_string()))?;
            drop(batch);
            answer = hand(&*self.fronts, parts).await?.into();
        }
        Ok(())
    }
}
