//! The signals of the process: SIGTERM and SIGINT stop it (the first asks, the second does not), SIGHUP
//! makes it read its settings again, and those that carry no such meaning never end it. However many
//! SIGHUPs come within [`GATHER`], they are one, which is heard behind the last of them.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the caller's own reason to stop is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a SIGHUP waits for others.
const GATHER: Duration = Duration::from_millis(200);
/// Exit code of a process that was stopped by a signal before it was done.
const STOPPED: i32 = 130;

/// Signals whose default is to end the process at once, and that nobody sends to stop a server: a slip of
/// a script, a timer that a parent process left behind, a size limit of files (a write then fails with an
/// error). SIGHUP is among them until the server is ready for it. SIGQUIT still ends it with a core dump.
const IGNORED: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGXFSZ,
];

/// Lets no signal end the process that is not meant to.
pub(crate) fn ignore_strays() {
    for number in IGNORED {
        crate::sys::ignore_signal(number);
    }
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// The process cannot go on.
    Failed,
}

/// SIGTERM, SIGINT and SIGHUP, heard from the moment this exists.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
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
        let hang_up = signal(SignalKind::hangup())?;
        drop(inside);
        Ok(Self { runtime, terminate, interrupt, hang_up })
    }

    /// Waits for a signal, or for `failed` to say that the process cannot go on.
    pub(crate) fn next(&mut self, failed: impl Fn() -> bool) -> Heard {
        let Self { runtime, terminate, interrupt, hang_up } = self;
        runtime.block_on(async {
            let mut look = tokio::time::interval(LOOK);
            let mut reload_at = None;
            loop {
                let gathered = async {
                    match reload_at {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = terminate.recv() => return Heard::Stop,
                    _ = interrupt.recv() => return Heard::Stop,
                    _ = hang_up.recv() => {
                        reload_at.get_or_insert_with(|| tokio::time::Instant::now() + GATHER);
                    }
                    () = gathered => return Heard::Reload,
                    _ = look.tick() => {
                        if failed() {
                            return Heard::Failed;
                        }
                    }
                }
            }
        })
    }

    /// From now on a signal to stop ends the process at once. It is heard on a thread of its own, so that
    /// the caller can wait for the drain. A drain reads no settings.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn stop_at_next(mut self) -> io::Result<()> {
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while self.next(|| false) != Heard::Stop {}
            tracing::warn!("second signal: stopping at once; what was acknowledged is durable");
            std::process::exit(STOPPED);
        })?;
        Ok(())
    }
}
