//! Pauses between tries of a notice that a test can wait for: `OPENIM_TEST_PUSH_PAUSE_MS`, and the time of an answer,
//! `OPENIM_TEST_PUSH_TIMEOUT_MS`.

use std::time::Duration;

use openim_push::Options;

/// The bounds with these.
pub(crate) fn hasten_push(options: Options) -> Options {
    let of = |name: &str, given: Duration| match std::env::var(name) {
        Ok(text) => Duration::from_millis(text.parse().expect("a number of milliseconds")),
        Err(_) => given,
    };
    let pause = of("OPENIM_TEST_PUSH_PAUSE_MS", options.pause);
    Options { pause, timeout: of("OPENIM_TEST_PUSH_TIMEOUT_MS", options.timeout), ..options }
}
