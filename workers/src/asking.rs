//! Questions under way on one reader's thread.
//!
//! In: futures, each with the shard that waits for its answer. Out: their answers. A question that blocks, as those of
//! the embedded engine do, is answered when it is polled for the first time, and nothing of this is touched; one that
//! waits on a network is kept and polled when it is woken, and every now and then besides, however much is asked, so
//! that what is late can end. So many wait on one thread, at most [`UNDER_WAY_MAX`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use openim_storage::port::LOOK;

use crate::Done;

/// Questions that wait on one thread; above it the thread takes no other.
const UNDER_WAY_MAX: usize = 256;

/// A question, and what is answered.
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Done> + 'a>>;

/// Takes questions until every asking end of the channel is gone and all are answered.
pub(crate) fn run<'a, Q>(
    asked: &Receiver<(u16, Q)>,
    mut begin: impl FnMut(Q) -> Asking<'a>,
    mut answer: impl FnMut(u16, Done),
) {
    let (wake, woken) = bounded(1);
    let waker = Waker::from(Arc::new(Woken(wake)));
    let mut context = Context::from_waker(&waker);
    let mut under_way: Vec<(u16, Asking<'a>)> = Vec::new();
    let mut looked = Instant::now();
    let mut open = true;
    while open || !under_way.is_empty() {
        // The clock is read only where something waits.
        let rest = || LOOK.saturating_sub(looked.elapsed());
        let next = match (under_way.len(), open) {
            // Nothing to look after: as cheap as a thread that only asks.
            (0, _) => {
                asked.recv().map_or(Next::Closed, |(shard, question)| Next::Asked(shard, question))
            }
            _ if rest() == Duration::ZERO => Next::Look,
            (1..UNDER_WAY_MAX, true) => select! {
                recv(woken) -> _ => Next::Look,
                recv(asked) -> question => {
                    question.map_or(Next::Closed, |(shard, question)| Next::Asked(shard, question))
                }
                default(rest()) => Next::Look,
            },
            _ => {
                // Woken, or time to look.
                let _or_late = woken.recv_timeout(rest());
                Next::Look
            }
        };
        match next {
            Next::Asked(shard, question) => {
                let mut asking = begin(question);
                match asking.as_mut().poll(&mut context) {
                    Poll::Ready(done) => answer(shard, done),
                    Poll::Pending => under_way.push((shard, asking)),
                }
            }
            Next::Look => {
                looked = Instant::now();
                under_way.retain_mut(|(shard, asking)| match asking.as_mut().poll(&mut context) {
                    Poll::Ready(done) => {
                        answer(*shard, done);
                        false
                    }
                    Poll::Pending => true,
                });
            }
            Next::Closed => open = false,
        }
    }
}

enum Next<Q> {
    Asked(u16, Q),
    Look,
    Closed,
}

/// Wakes the thread; that it was woken once more than it has looked says enough.
struct Woken(Sender<()>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Full: it is woken already.
        let _or_woken = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn questions_that_wait_do_not_keep_others_waiting() {
        let (ask, asked) = bounded(8);
        for question in [0_u16, 1, 2] {
            ask.send((question, question)).expect("room");
        }
        drop(ask);
        let polls = Cell::new(0);
        let begin = |question: u16| -> Asking<'_> {
            let polls = &polls;
            Box::pin(async move {
                if question == 0 {
                    // Nobody wakes it, but it is looked at.
                    poll_fn(|_| {
                        polls.set(polls.get() + 1);
                        if polls.get() > 2 { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                }
                Done::Stored
            })
        };
        let answered = RefCell::new(Vec::new());
        run(&asked, begin, |shard, _| answered.borrow_mut().push(shard));
        assert_eq!(answered.into_inner(), [1, 2, 0]);
    }

    #[test]
    fn what_is_late_ends_though_others_keep_asking() {
        /// Far more than are asked until somebody looks.
        const ASKED_MAX: u32 = 20_000;
        let (ask, asked) = bounded(8);
        ask.send((0, 0)).expect("room");
        ask.send((1, 1)).expect("room");
        let (late, others) = (Cell::new(true), Cell::new(0));
        let more = RefCell::new(Some(ask));
        let begin = |question: u16| -> Asking<'_> {
            let (late, others, more) = (&late, &others, &more);
            Box::pin(async move {
                if question == 0 {
                    // Nobody wakes it.
                    let mut polls = 0;
                    poll_fn(|_| {
                        polls += 1;
                        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                    late.set(false);
                    return Done::Stored;
                }
                // There is always another one in the channel.
                others.set(others.get() + 1);
                match late.get() && others.get() < ASKED_MAX {
                    true => {
                        let asked = more.borrow().as_ref().map(|ask| ask.send((1, 1)));
                        asked.expect("asking").expect("room");
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    false => drop(more.take()),
                }
                Done::Stored
            })
        };
        let answered = Cell::new(0);
        run(&asked, begin, |shard, _| {
            if shard == 0 {
                answered.set(others.get());
            }
        });
        assert!(answered.get() < ASKED_MAX, "it was answered when nobody asked any more");
    }
}
