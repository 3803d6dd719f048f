//! What the commands show to people: columns, and texts of users that harm no terminal.

use std::fmt::Write as _;

use openim_workers::utc;
use serde_json::Value;

pub(super) use crate::console::plain;
use crate::console::plain_json;

const PLATFORMS: [&str; 7] = ["iOS", "Android", "Windows", "macOS", "Web", "MiniWeb", "Linux"];

/// A text that was told, empty without one.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map(plain).unwrap_or_default()
}

/// An answer as it came, in one line.
pub(super) fn line(told: &Value) -> String {
    format!("{}\n", plain_json(&told.to_string()))
}

/// What goes on behind somebody, to be given to a shell, whatever is in the uid.
pub(super) fn behind(uid: &Value) -> String {
    format!("--after '{}'", text(uid).replace('\'', r"'\''"))
}

/// The name of a platform.
pub(super) fn platform(value: &Value) -> String {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let name = number.checked_sub(1).and_then(|at| PLATFORMS.get(at));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// A moment in unix milliseconds.
pub(super) fn moment(value: &Value) -> String {
    value.as_i64().map(utc).unwrap_or_default()
}

/// Those of a list.
pub(super) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Rows below each other, each column as wide as it needs.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let many = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| {
        let of = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
        rows.iter().map(of).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..many).map(wide).collect();
    let mut shown = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing into a text cannot fail.
            write!(line, "{cell:<width$}  ").ok();
        }
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    shown
}

/// Some bytes.
pub(super) fn bytes(value: &Value) -> String {
    let bytes = value.as_f64().unwrap_or(0.0);
    match bytes {
        _ if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.2} MB", bytes / 1e6),
        _ if bytes >= 1e3 => format!("{:.2} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_steers_no_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2J\nb\u{9b}c")), "a\u{fffd}[2J\u{fffd}b\u{fffd}c");
        assert_eq!(text(&json!("a\u{202e}b\u{2066}c")), "a\u{fffd}b\u{fffd}c");
        assert_eq!(text(&json!(7)), "");
        assert_eq!(behind(&json!("x';ls;y")), r"--after 'x'\'';ls;y'");
        let told = json!({ "name": "a\u{9b}2J\u{1b}b\u{202e}" });
        let shown = line(&told);
        assert!(!shown.contains(['\u{9b}', '\u{1b}', '\u{202e}']), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), told);
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [["UID", "NAME"], ["alice", "你"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), "UID    NAME\nalice  你\n");
        assert_eq!(columns(&[]), "");
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(platform(&json!(2)), "Android");
        assert_eq!((platform(&json!(9)), platform(&json!(null))), ("9".to_owned(), "0".to_owned()));
        assert_eq!(moment(&json!(1_622_548_800_000_u64)), "2021-06-01 12:00:00 UTC");
        for (value, told) in
            [(json!(12), "12 B"), (json!(1_500), "1.50 kB"), (json!(2e6), "2.00 MB")]
        {
            assert_eq!(bytes(&value), told);
        }
    }
}
