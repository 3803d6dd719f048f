//! The process as the kernel sees it, from `/proc/self`.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks per second in `/proc`: 100 on every Linux this runs on, fixed by its user interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// One look at the process. What the kernel does not tell is 0.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ProcessFigures {
    pub(crate) resident_bytes: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) threads: f64,
    pub(crate) start_seconds: f64,
    pub(crate) open_fds: f64,
    pub(crate) max_fds: f64,
}

/// Reads the figures now.
pub(crate) fn look() -> ProcessFigures {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    parse(
        &text("/proc/self/status"),
        &text("/proc/self/stat"),
        &text("/proc/self/limits"),
        &text("/proc/stat"),
        open_fds(),
    )
}

/// How old a count by listing may be.
const LISTED_FOR: Duration = Duration::from_secs(30);

thread_local! {
    /// The last count by listing, on the thread that asks.
    static LISTED: Listed = const { Listed(Cell::new(None)) };
}

/// The size of the folder is the count, where the kernel gives one (6.2 and later): listing a million
/// descriptors takes most of a second, so elsewhere that is not done each time that somebody looks.
fn open_fds() -> f64 {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).map(|folder| folder.len()) {
        Ok(count @ 1..) => count as f64,
        _ => LISTED.with(|listed| {
            let list = || fs::read_dir(FOLDER).map_or(0.0, |entries| entries.count() as f64);
            listed.look(Instant::now(), list)
        }),
    }
}

struct Listed(Cell<Option<(Instant, f64)>>);

impl Listed {
    fn look(&self, now: Instant, list: impl FnOnce() -> f64) -> f64 {
        match self.0.get() {
            Some((at, count)) if now.duration_since(at) < LISTED_FOR => count,
            _ => {
                let count = list();
                self.0.set(Some((now, count)));
                count
            }
        }
    }
}

fn parse(status: &str, stat: &str, limits: &str, system: &str, open_fds: f64) -> ProcessFigures {
    // The name of the program, in brackets, may hold spaces; the numbers begin behind it. The first of
    // them is field 3 of proc(5).
    let numbers: Vec<&str> =
        stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    let ticks = |field: usize| number(numbers.get(field - 3).copied());
    let kilobytes = number(word_after(status, "VmRSS:", 0));
    ProcessFigures {
        resident_bytes: kilobytes * 1024.0,
        cpu_seconds: (ticks(14) + ticks(15)) / TICKS_PER_SECOND,
        threads: number(word_after(status, "Threads:", 0)),
        start_seconds: number(word_after(system, "btime", 0)) + ticks(22) / TICKS_PER_SECOND,
        open_fds,
        max_fds: number(word_after(limits, "Max open files", 0)),
    }
}

/// The `nth` word after `key` on the line that begins with it.
fn word_after<'a>(text: &'a str, key: &str, nth: usize) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().nth(nth)
}

fn number(word: Option<&str>) -> f64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let figures = parse(
            "Name:\topenim\nVmRSS:\t   2048 kB\nThreads:\t7\n",
            "17 (open im) S 1 17 17 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 7 0 1000 5 6",
            "Limit Soft Hard Units\nMax open files            1024                 4096  files\n",
            "cpu 1 2 3\nbtime 1700000000\n",
            12.0,
        );
        let expected = ProcessFigures {
            resident_bytes: 2.0 * 1024.0 * 1024.0,
            cpu_seconds: 2.0,
            threads: 7.0,
            start_seconds: 1_700_000_010.0,
            open_fds: 12.0,
            max_fds: 1024.0,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn descriptors_are_not_listed_at_each_look() {
        let (listed, begin, times) = (Listed(Cell::new(None)), Instant::now(), Cell::new(0));
        let look = |seconds| {
            listed.look(begin + Duration::from_secs(seconds), || {
                times.set(times.get() + 1);
                f64::from(times.get())
            })
        };
        assert_eq!((0..60).map(look).last(), Some(2.0));
        assert_eq!(times.get(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_zero() {
        assert_eq!(parse("", "", "", "", 0.0), ProcessFigures::default());
    }
}
