//! Waiting for a port's answer on a thread of one's own.
//!
//! In: a future of whatever engine. Out: what it gives. An engine that blocks has answered when it was polled once, and
//! costs nothing more here; one that waits on a network wakes the thread, and is looked at every now and then besides,
//! so that whoever ends what is late can do so without a clock that rings.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// How often something that has not answered is looked at though nobody woke its thread.
pub const LOOK: Duration = Duration::from_millis(100);

/// Waits for an answer. Never on a shard's thread.
pub fn wait<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return answer;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// A thread that sleeps until it is woken.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};

    use super::*;

    #[test]
    fn what_is_ready_is_given_and_what_is_not_is_waited_for() {
        assert_eq!(wait(ready(7)), 7);
        let mut polls = 0;
        let late = poll_fn(|context| {
            polls += 1;
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake());
            if polls > 3 { Poll::Ready(polls) } else { Poll::Pending }
        });
        assert_eq!(wait(late), 4);
        // Nobody wakes it: it is looked at all the same.
        let mut polls = 0;
        let silent = poll_fn(|_| {
            polls += 1;
            if polls > 2 { Poll::Ready(polls) } else { Poll::Pending }
        });
        assert_eq!(wait(silent), 3);
    }
}
