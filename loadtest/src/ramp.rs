//! Opening the links of one thread: paced or as fast as the server takes them.
//!
//! In: a fleet whose links are down. Out: every link up, or its loss told to the sink. Ends for
//! certain, because each attempt has a time limit.

use crate::clock::{Clock, until};
use crate::crew::Board;
use crate::fleet::{Fleet, Sink};
use std::time::Duration;

/// How fast links are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Time between two links of this thread; zero for no pace.
    pub(crate) interval_ns: u64,
    /// Links on their way up at once.
    pub(crate) opening_max: usize,
}

impl Pace {
    /// `rate` links per second over all of `threads`, 0 for as fast as possible.
    pub(crate) fn new(rate: u64, opening_max: usize, threads: usize) -> Self {
        let threads = threads.max(1);
        let interval_ns =
            1_000_000_000u64.saturating_mul(threads as u64).checked_div(rate).unwrap_or(0);
        Self { interval_ns, opening_max: opening_max.div_ceil(threads).max(1) }
    }
}

/// Begins every link once, and returns when none is on its way any more or the run is stopped.
pub(crate) fn ramp(
    fleet: &mut Fleet,
    sink: &mut impl Sink,
    pace: Pace,
    clock: Clock,
    board: &Board,
) -> anyhow::Result<()> {
    let started_ns = clock.now_ns();
    let mut next = 0;
    while !board.stopped() {
        let mut wait = Duration::from_millis(50);
        while next < fleet.len() && fleet.opening() < pace.opening_max {
            let now_ns = clock.now_ns();
            // Paced links count from when they were due, so a slow server cannot hide delay.
            let due_ns = started_ns + next as u64 * pace.interval_ns;
            let begun_ns = if pace.interval_ns > 0 { due_ns } else { now_ns };
            if begun_ns > now_ns {
                wait = wait.min(until(begun_ns, now_ns));
                break;
            }
            fleet.begin(next, begun_ns, sink);
            next += 1;
        }
        if next == fleet.len() && fleet.opening() == 0 {
            return Ok(());
        }
        fleet.turn(wait, sink)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_shared_between_threads() {
        let pace = Pace::new(1000, 256, 2);
        assert_eq!((pace.interval_ns, pace.opening_max), (2_000_000, 128));
        assert_eq!(Pace::new(0, 1, 3).interval_ns, 0);
        assert_eq!(Pace::new(0, 1, 3).opening_max, 1);
    }
}
