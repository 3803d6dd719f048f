//! The signals that stop the process: the first asks, the second does not.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the caller's own reason to stop is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Exit code of a process that was stopped by a signal before it was done.
const STOPPED: i32 = 130;

/// SIGTERM and SIGINT, heard from the moment this exists.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system gives no descriptor for it.
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(inside);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a signal (`false`) or for `failed` to say that the process cannot go on (`true`).
    pub(crate) fn until_stop(&mut self, failed: impl Fn() -> bool) -> bool {
        let Self { runtime, terminate, interrupt } = self;
        runtime.block_on(async {
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return false,
                    _ = interrupt.recv() => return false,
                    _ = look.tick() => {
                        if failed() {
                            return true;
                        }
                    }
                }
            }
        })
    }

    /// From now on a signal ends the process at once. It is heard on a thread of its own, so that the
    /// caller can wait for the drain.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn stop_at_next(mut self) -> io::Result<()> {
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            self.until_stop(|| false);
            tracing::warn!("second signal: stopping at once; what was acknowledged is durable");
            std::process::exit(STOPPED);
        })?;
        Ok(())
    }
}
