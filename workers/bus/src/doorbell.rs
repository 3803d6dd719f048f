//! Wakes a thread that may be asleep in a poll, without a lock.
//!
//! The consumer says that it is about to sleep, then looks at its queues once more; a producer
//! pushes, then looks whether the consumer sleeps. One of the two must see the other, because each
//! puts a full fence between its write and its read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

/// One consumer's bell.
#[derive(Debug)]
pub struct Doorbell {
    sleeping: AtomicBool,
    fd: OwnedFd,
}

impl Doorbell {
    /// A bell of its own, an event descriptor.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { sleeping: AtomicBool::new(false), fd })
    }

    /// Producer: something was pushed. Wakes the consumer if it sleeps.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::AcqRel) {
            // The counter cannot overflow: it is rung once a sleep. A full one is awake anyway.
            let _awake = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }

    /// Consumer: about to sleep. Look at the queues once more after this; if there is work, call
    /// [`Self::stay_awake`] instead of sleeping.
    pub fn going_to_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Consumer: awake, no ring needed.
    pub fn stay_awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Consumer: takes the rings so far off the descriptor.
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        // An empty counter answers "would block", which is as good.
        let _drained = rustix::io::read(&self.fd, &mut count);
    }

    /// Consumer thread without an event loop: sleeps until rung, `timeout` at most. `has_work` is
    /// asked once more before sleeping.
    pub fn wait(&self, timeout: Duration, has_work: impl FnOnce() -> bool) {
        self.going_to_sleep();
        if !has_work() {
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            let timeout = rustix::event::Timespec {
                tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: timeout.subsec_nanos().into(),
            };
            // An interrupted wait is a wait that ended early: the caller looks at its queues anyway.
            let _woken = poll(&mut fds, Some(&timeout));
            self.clear();
        }
        self.stay_awake();
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl std::os::fd::AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.fd)
    }
}
