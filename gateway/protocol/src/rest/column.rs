//! Bounds of the tables' columns that bodies are compared with.

use super::body::Length;

/// The most code points of a text column (REST 3.1, 7.5).
pub const TEXT_CHARS_MAX: usize = 255;

/// Whether each text fits a text column.
pub(super) fn all_fit<T: Length>(texts: &[&T]) -> bool {
    texts.iter().all(|text| text.length() <= TEXT_CHARS_MAX)
}
