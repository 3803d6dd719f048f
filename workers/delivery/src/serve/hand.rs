//! Hands the parts of a batch to their fronts, and puts the answers in the order of the parts.
//!
//! Each front has its own in order, one call at a time; different ones have theirs at once. What comes from many owners
//! for one front is put together first: a call is a way to another thread and back, and a delivery is little.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use openim_record::Process;
use tonic::Status;

use super::Fronts;
use crate::Told;
use crate::wire::FRONTS_MAX;

/// What one front is told, each with the places of its answer.
#[derive(Default)]
struct Share(Vec<(Told, Vec<Range<usize>>)>);

/// The answer to a batch.
///
/// # Errors
/// It names more fronts than a process has.
pub(super) async fn hand(
    fronts: &dyn Fronts,
    parts: Vec<(Process, Told)>,
) -> Result<Vec<u8>, Status> {
    let mut answer = vec![0; parts.iter().map(|(_, told)| told.answer_len()).sum()];
    let mut shares: HashMap<Process, Share, FixedState> = HashMap::default();
    let mut at = 0;
    for (front, told) in parts {
        let places = at..at + told.answer_len();
        at = places.end;
        shares.entry(front).or_default().add(told, places);
        if shares.len() > FRONTS_MAX {
            return Err(Status::invalid_argument("a batch names too many fronts"));
        }
    }
    let calls = shares.into_iter().map(|(front, share)| share.hand(fronts, front));
    for (got, places) in all(calls).await.into_iter().flatten() {
        let mut got = got.into_iter();
        // What is missing stays zero.
        for (place, byte) in places.into_iter().flatten().zip(&mut got) {
            if let Some(slot) = answer.get_mut(place) {
                *slot = byte;
            }
        }
    }
    Ok(answer)
}

impl Share {
    fn add(&mut self, told: Told, places: Range<usize>) {
        match (self.0.last_mut(), told) {
            (Some((Told::Deliver(all), of)), Told::Deliver(more)) => {
                all.extend(more);
                of.push(places);
            }
            (Some((Told::Settle(all), _)), Told::Settle(more)) => all.extend(more),
            (_, told) => self.0.push((told, vec![places])),
        }
    }

    async fn hand(self, fronts: &dyn Fronts, front: Process) -> Vec<(Vec<u8>, Vec<Range<usize>>)> {
        let mut answers = Vec::with_capacity(self.0.len());
        for (told, places) in self.0 {
            answers.push((fronts.tell(front, told).await, places));
        }
        answers
    }
}

/// Waits for all of them at once.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::with_capacity(pending.len());
    poll_fn(|cx| {
        pending.retain_mut(|future| match Pin::as_mut(future).poll(cx) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

#[cfg(test)]
mod tests;
