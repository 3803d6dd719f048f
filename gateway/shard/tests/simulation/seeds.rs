//! Runs seeds on all cores, and says how to repeat the first that failed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use crate::counts::Counts;

pub(crate) fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Runs the seeds below `OPENIM_TEST_SIM_SEEDS`, or `seeds`, and `known` ones in addition; with
/// `OPENIM_TEST_SIM_SEED` only that one, traced. `command` is how to run the test that calls. What has happened
/// must be `all` and more.
pub(crate) fn run(
    seeds: u64,
    known: &[u64],
    command: &str,
    all: &[&str],
    world: impl Fn(u64, bool) -> Counts + Sync,
) {
    if let Some(seed) = setting("OPENIM_TEST_SIM_SEED") {
        let counts = world(seed, true);
        eprintln!("seed {seed}: {counts:?}");
        return;
    }
    let seeds = setting("OPENIM_TEST_SIM_SEEDS").unwrap_or(seeds);
    let chosen: Vec<u64> =
        (0..seeds).chain(known.iter().copied().filter(|known| *known >= seeds)).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let seen = Mutex::new(Counts::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match catch_unwind(AssertUnwindSafe(|| world(seed, false))) {
                        Ok(counts) => seen.lock().expect("nobody panics here").add(counts),
                        Err(_) => failed.lock().expect("nobody panics here").push(seed),
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics here");
    failed.sort_unstable();
    let Some(seed) = failed.first() else {
        let counts = seen.into_inner().expect("nobody panics here");
        println!("{seeds} seeds: {counts:?}");
        counts.assert_all_seen(all, seeds);
        return;
    };
    panic!(
        "{} of {} seeds failed: {failed:?}. Replay one:\n  OPENIM_TEST_SIM_SEED={seed} {command}",
        failed.len(),
        chosen.len()
    );
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Why a seed fails; `None` when it does not. What it says is not printed.
#[allow(dead_code, reason = "one of the two worlds has rules that can be taken out")]
pub(crate) fn failure(world: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let cause = catch_unwind(AssertUnwindSafe(world)).err();
    QUIET.set(false);
    let cause = cause?;
    let text = cause.downcast_ref::<String>().cloned();
    let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(text.unwrap_or_default())
}
