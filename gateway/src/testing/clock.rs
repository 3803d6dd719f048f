//! A clock that can be moved, to test what the server believes of it.
//!
//! Only when `OPENIM_TEST_CLOCK_FILE` names a file: it holds how far the clock is to be moved, in milliseconds.

const VARIABLE: &str = "OPENIM_TEST_CLOCK_FILE";

/// What a test wants; nothing while it writes the file.
pub(crate) fn clock_shift_ms() -> Option<i64> {
    let file = std::env::var_os(VARIABLE);
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok())
}
