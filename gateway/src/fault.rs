//! A panic ends the process, in every build: a belief about our own state was wrong, or a library gave up on
//! what it read. The next start reads everything again from the log.
//!
//! In: the panic of any thread, from [`end_the_process`] on. Out: one line on standard error and in the log's
//! file, and exit code 1; a backtrace in that line where `RUST_BACKTRACE` asks for one. Never: a second line
//! for a thread that fails because the first one did.

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tracing_appender::non_blocking::NonBlocking;

use crate::console;
use crate::line::Line;

const EXIT_CODE: i32 = 1;
/// What the writers of the log get to write what waits for them.
const GRACE: Duration = Duration::from_millis(200);

static ENDING: AtomicBool = AtomicBool::new(false);
/// The log's file, where there is one.
static FILE: OnceLock<NonBlocking> = OnceLock::new();
/// What to do about a panic while something is read that others may have damaged: gets what it says, and gives a line.
type GivenUp = Box<dyn Fn(&str) -> String + Send>;

/// What is being read.
static READING: Mutex<Option<GivenUp>> = Mutex::new(None);

/// From now on a panic ends the process.
pub fn end_the_process() {
    std::panic::set_hook(Box::new(|panic| {
        if ENDING.swap(true, Ordering::SeqCst) {
            loop {
                std::thread::park();
            }
        }
        let line = line(panic);
        if let Some(file) = FILE.get() {
            drop(file.clone().write_all(line.text(console::format()).as_bytes()));
        }
        console::say(&line);
        std::thread::sleep(GRACE);
        crate::sys::end(EXIT_CODE);
    }));
}

/// The last line goes there too.
pub(crate) fn tell(file: &NonBlocking) {
    FILE.get_or_init(|| file.clone());
}

/// While it is there, something is read that may be damaged, and this is done about a panic.
pub(crate) struct Reading(());

impl Reading {
    pub(crate) fn begin(given_up: GivenUp) -> Reading {
        *READING.lock() = Some(given_up);
        Reading(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        *READING.lock() = None;
    }
}

fn line(panic: &PanicHookInfo<'_>) -> Line {
    let what = panic.payload_as_str().unwrap_or("a thread gave up");
    // Whoever holds it is not this thread, unless it is in the few instructions above.
    let advice = READING.try_lock().and_then(|reading| Some(reading.as_ref()?(what)));
    let said = match advice {
        Some(advice) => format!("{advice} ({what})"),
        None => what.to_owned(),
    };
    let thread = std::thread::current();
    let mut line = Line::error(said).with("thread", thread.name().unwrap_or("unnamed"));
    if let Some(at) = panic.location() {
        line = line.with("at", at.to_string());
    }
    let backtrace = std::backtrace::Backtrace::capture();
    match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => line.with("backtrace", backtrace.to_string()),
        _ => line,
    }
}
