//! The thread that watches the clock, and what an operator hears of it.
//!
//! In: the clock, and the file by which an operator confirms it. Out: lines, and what everybody else
//! reads from [`Clock`]. The judging itself is in `openim_workers`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use openim_config::Config;
use openim_workers::{Clock, News, SETTLE, Watch, utc};

#[cfg(feature = "testing")]
use crate::testing::clock_shift_ms;

/// How often the clock is judged.
const LOOK: Duration = Duration::from_secs(1);
/// How often a doubt that goes on is said again.
const SAY_AGAIN: Duration = Duration::from_secs(60 * 60);
/// In the data directory: an operator says that the clock was right when it was written.
const CONFIRMED_FILE: &str = "clock-confirmed";
/// In the data directory: when the clock was last believed, for servers that are idle for days.
const SEEN_FILE: &str = "clock-seen";
/// How often that is noted.
const NOTE_SEEN: Duration = Duration::from_secs(60 * 60);
/// A confirmation holds for a clock that is so far from what it was written with.
const CONFIRMED_MS_MAX: u64 = 60 * 60 * 1000;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Judges the clock by the log's newest record, and goes on watching it.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    config: &Config,
    data_dir: &Path,
    newest_record_ms: Option<i64>,
) -> anyhow::Result<Arc<Clock>> {
    let jump = HOUR * config.limits.clock_jump_hours;
    let known_ms = newest_record_ms.max(seen_ms(data_dir));
    let (clock, watch) = Clock::new(jump, known_ms, clock_shift_ms().unwrap_or(0));
    let clock = Arc::new(clock);
    let mut watcher = Watcher {
        clock: Arc::clone(&clock),
        watch,
        data_dir: data_dir.to_owned(),
        said_at: Instant::now(),
        noted_at: None,
    };
    watcher.look();
    std::thread::Builder::new()
        .name("clock".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                watcher.look();
            }
        })
        .context("cannot start the thread clock")?;
    Ok(clock)
}

/// The time that a server here would take for now, unix milliseconds.
#[must_use]
pub fn unix_ms() -> i64 {
    Clock::new(Duration::ZERO, None, clock_shift_ms().unwrap_or(0)).0.read().unix_ms()
}

/// Tells the server of a data directory, now or at its next start, that the clock is right.
///
/// # Errors
/// One line, when the directory is none or cannot be written.
pub fn confirm(data_dir: &Path) -> anyhow::Result<()> {
    let now_ms = unix_ms();
    if !data_dir.join("format").exists() {
        anyhow::bail!("{}: no data of openim is here; give --data-dir", data_dir.display());
    }
    let file = data_dir.join(CONFIRMED_FILE);
    write_whole(data_dir, CONFIRMED_FILE, &now_ms.to_string()).with_context(|| {
        format!("{}: cannot be written; run this as the server's user", file.display())
    })?;
    crate::console::print(&format!(
        "confirmed: it is {}. A server in doubt of its clock takes this within seconds, or at its next \
         start within the hour.\n",
        utc(now_ms)
    ))
}

/// Writes a file whole or not at all: it is read at any moment.
fn write_whole(dir: &Path, name: &str, line: &str) -> std::io::Result<()> {
    let draft = dir.join(format!("{name}.new"));
    std::fs::write(&draft, format!("{line}\n"))?;
    std::fs::rename(&draft, dir.join(name))
}

/// When the clock was last believed; nothing where that was never noted.
pub(crate) fn seen_ms(data_dir: &Path) -> Option<i64> {
    std::fs::read_to_string(data_dir.join(SEEN_FILE)).ok()?.trim().parse().ok()
}

struct Watcher {
    clock: Arc<Clock>,
    watch: Watch,
    data_dir: PathBuf,
    said_at: Instant,
    /// When [`SEEN_FILE`] was written last.
    noted_at: Option<Instant>,
}

impl Watcher {
    fn look(&mut self) {
        if let Some(shift_ms) = clock_shift_ms() {
            self.clock.shift(shift_ms);
        }
        let confirmed = self.clock.read().in_doubt && self.is_confirmed();
        let news = self.clock.watch(&mut self.watch, confirmed);
        match news {
            Some(News::Doubted(ahead_ms)) => self.say_doubt(ahead_ms),
            Some(News::Returned) => tracing::warn!(
                now = utc(self.clock.read().unix_ms()),
                "the clock is back where it was expected: what is due expires again"
            ),
            Some(News::Settled(moved_ms)) => tracing::warn!(
                now = utc(self.clock.read().unix_ms()),
                "the clock has kept still for {} hours and is believed now, though it is {}: what is \
                 due expires, at most limits.expiryHoursPerHour",
                SETTLE.as_secs() / 3600,
                apart(moved_ms)
            ),
            Some(News::Confirmed(moved_ms)) => tracing::warn!(
                now = utc(self.clock.read().unix_ms()),
                "an operator confirmed the clock, which is {}: what is due expires, at most \
                 limits.expiryHoursPerHour",
                apart(moved_ms)
            ),
            None if self.clock.in_doubt() && self.said_at.elapsed() >= SAY_AGAIN => {
                let reading = self.clock.read();
                self.say_doubt(reading.unix_ms().saturating_sub(reading.trusted_ms));
            }
            None => {}
        }
        let due = self.noted_at.is_none_or(|at| at.elapsed() >= NOTE_SEEN);
        if !self.clock.in_doubt() && (due || news.is_some()) {
            self.note_seen();
        }
    }

    fn note_seen(&mut self) {
        self.noted_at = Some(Instant::now());
        let text = self.clock.read().trusted_ms.to_string();
        if let Err(cause) = write_whole(&self.data_dir, SEEN_FILE, &text) {
            // The newest record tells as well, unless nobody writes for days.
            tracing::debug!(%cause, "cannot note that the clock was believed");
        }
    }

    fn say_doubt(&mut self, ahead_ms: i64) {
        self.said_at = Instant::now();
        let reading = self.clock.read();
        tracing::warn!(
            now = utc(reading.unix_ms()),
            expected = utc(reading.unix_ms().saturating_sub(ahead_ms)),
            "the clock is in doubt: it is {}. Nothing expires (history, tokens, duplicates) until it is \
             set right, has kept still for {} hours, or is confirmed with: openim confirm-clock \
             --data-dir {}. Messages are sent with the time it shows (limits.clockJumpHours)",
            apart(ahead_ms),
            SETTLE.as_secs() / 3600,
            self.data_dir.display()
        );
    }

    /// Whether an operator has confirmed the clock as it is; what they left is taken away.
    fn is_confirmed(&self) -> bool {
        let file = self.data_dir.join(CONFIRMED_FILE);
        let Ok(text) = std::fs::read_to_string(&file) else { return false };
        if let Err(cause) = std::fs::remove_file(&file) {
            tracing::warn!(%cause, file = %file.display(), "cannot remove a confirmation of the clock");
        }
        let now_ms = self.clock.read().unix_ms();
        let fits = |ms: i64| ms.abs_diff(now_ms) <= CONFIRMED_MS_MAX;
        let confirmed = text.trim().parse().is_ok_and(fits);
        if !confirmed {
            tracing::warn!(
                now = utc(now_ms),
                "the clock was confirmed when it showed another time; confirm it again if it is right"
            );
        }
        confirmed
    }
}

/// `8 days 3 hours ahead of what the data tells`.
fn apart(ahead_ms: i64) -> String {
    let hours = ahead_ms.unsigned_abs() / 3_600_000;
    let (days, hours) = (hours / 24, hours % 24);
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    format!(
        "{days} days {hours} hours {side} what the data tells (its newest message, the last time that the \
         server ran, and the time since)"
    )
}

/// How far a test wants the clock to be moved; the product has no such thing.
#[cfg(not(feature = "testing"))]
const fn clock_shift_ms() -> Option<i64> {
    None
}
