//! Ids that a careless store mixes up, and reading lists in pages.

use openim_record::UserId;

/// In byte order: prefixes of others, case, zero bytes, separators, Unicode of every length.
pub(super) const AWKWARD: [&str; 16] = [
    "\0",
    "0",
    "10",
    "9",
    "A",
    "a",
    "a\0",
    "a\0b",
    "a:b",
    "aa",
    "ab",
    "b",
    "ss",
    "\u{df}",
    "用户",
    "\u{1f600}",
];

pub(super) fn uid(id: &str) -> UserId {
    UserId::new(id)
}

/// Reads a list to its end in pages of `rows_max`.
///
/// # Panics
/// Where a page has more rows than asked for, or one is not full though more follow.
pub(super) fn paged<T, K>(
    rows_max: usize,
    mut page: impl FnMut(Option<&K>, usize) -> Vec<T>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map(&key);
        let more = page(after.as_ref(), rows_max);
        assert!(more.len() <= rows_max, "a page is larger than was asked for");
        let last = more.len() < rows_max;
        rows.extend(more);
        if last {
            let after = rows.last().map(&key);
            assert!(page(after.as_ref(), rows_max).is_empty(), "a page left rows out");
            return rows;
        }
    }
}
