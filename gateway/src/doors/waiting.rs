//! Connections that wait for their clients: whoever has waited for longest makes room for a newcomer.
//!
//! A connection is either worked on or waits for its client to send or to take something. While it waits
//! it has a place in a queue, from whose front room is made. One queue a shard and kind of waiting.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::time::Instant;

/// Those who wait, the longest first.
#[derive(Default)]
pub(crate) struct Queue {
    seats: RefCell<BTreeMap<u64, (Instant, Rc<Seat>)>>,
    next: Cell<u64>,
}

/// One connection.
#[derive(Default)]
pub(crate) struct Seat {
    /// Where it waits.
    place: RefCell<Option<(Rc<Queue>, u64)>>,
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Queue {
    /// Since when whoever has waited for longest does so.
    pub(crate) fn longest(&self) -> Option<Instant> {
        self.seats.borrow().first_key_value().map(|(_, (since, _))| *since)
    }

    /// Ends the connection that has waited for longest; whether there was one. It goes when its task runs.
    pub(crate) fn make_room(&self) -> bool {
        let first = self.seats.borrow_mut().pop_first();
        let Some((_, (_, seat))) = first else { return false };
        seat.place.take();
        seat.ended.set(true);
        if let Some(waker) = seat.waker.take() {
            waker.wake();
        }
        true
    }
}

impl Seat {
    /// Waits in `queue` from now on, unless it does so already.
    pub(crate) fn waits(self: &Rc<Self>, queue: &Rc<Queue>) {
        if self.waits_in(queue) || self.ended.get() {
            return;
        }
        self.moves();
        let number = queue.next.get();
        queue.next.set(number + 1);
        queue.seats.borrow_mut().insert(number, (Instant::now(), Rc::clone(self)));
        self.place.replace(Some((Rc::clone(queue), number)));
    }

    /// Whether it waits in `queue`.
    pub(crate) fn waits_in(&self, queue: &Rc<Queue>) -> bool {
        self.place.borrow().as_ref().is_some_and(|(at, _)| Rc::ptr_eq(at, queue))
    }

    /// Waits no more.
    pub(crate) fn moves(&self) {
        if let Some((queue, number)) = self.place.take() {
            queue.seats.borrow_mut().remove(&number);
        }
    }

    /// Until it has to make room.
    pub(crate) async fn ended(&self) {
        poll_fn(|cx| {
            if self.ended.get() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_for_longest_goes_first() {
        let queue = Rc::new(Queue::default());
        let other = Rc::new(Queue::default());
        let seats = [(); 4].map(|()| Rc::new(Seat::default()));
        seats.iter().for_each(|seat| seat.waits(&queue));
        seats[0].waits(&queue);
        seats[1].moves();
        seats[1].waits(&queue);
        seats[2].waits(&other);
        for gone in [0, 3, 1] {
            assert!(queue.make_room());
            assert!(seats[gone].ended.get(), "{gone}");
        }
        assert!(!queue.make_room() && !seats[2].ended.get());
        assert!(other.make_room() && seats[2].ended.get());
        seats[2].waits(&queue);
        assert!(!queue.make_room(), "who is ended takes no place again");
    }
}
