//! The thread that flushes the log at intervals, when the operator chose speed over the last
//! moments before a power failure. With the default policy it does not exist.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::segments::Segments;

#[derive(Default)]
struct Need {
    dirty: bool,
    closed: bool,
}

/// Flushes within one interval after [`Flusher::wrote`]; sleeps while nothing is written.
pub(super) struct Flusher {
    shared: Arc<(Mutex<Need>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start(segments: Arc<Segments>, interval: Duration) -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(Need::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log-flush".to_owned())
            .spawn(move || run(&segments, interval, &theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Something was written that is not flushed yet.
    pub(super) fn wrote(&self) {
        let mut need = self.shared.0.lock();
        if !need.dirty {
            need.dirty = true;
            self.shared.1.notify_one();
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.0.lock().closed = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that flushes the log panicked");
        }
    }
}

fn run(segments: &Segments, interval: Duration, (need, changed): &(Mutex<Need>, Condvar)) {
    loop {
        let closed = {
            let mut need = need.lock();
            while !need.dirty && !need.closed {
                changed.wait(&mut need);
            }
            if !need.closed {
                // The interval is how much may be lost; only closing cuts it short.
                let _woken = changed.wait_while_for(&mut need, |need| !need.closed, interval);
            }
            need.dirty = false;
            need.closed
        };
        if segments.flush_to(segments.end()).is_err() {
            // The log is poisoned, and whoever owns its writer is told when it looks.
            return;
        }
        if closed {
            return;
        }
    }
}
