//! What the console shows of the log and the audit: the last lines, by level and text.

use serde_json::{Value, json};

use crate::logging::{KEPT_LINES_MAX, Kept, KeptLine};
use crate::query::Query;

/// All kept lines from a number on (`from`), as grave as `level`, with `text` in them; the newest last. `next` is the number to ask
/// from next, `kept` how many are kept.
pub(super) fn tell(kept: &Kept, asked: &Query) -> Value {
    let (level, text) = (asked.text("level"), asked.text("text"));
    let (lines, next) = kept.read(asked.number("from").unwrap_or(0), level, text, KEPT_LINES_MAX);
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({ "lines": lines, "next": next, "kept": KEPT_LINES_MAX })
}

/// The last that tell of something wrong.
pub(super) fn wrong(kept: &Kept, most: usize) -> Vec<Value> {
    kept.read(0, "WARN", "", most).0.iter().map(line).collect()
}

fn line(line: &KeptLine) -> Value {
    json!({ "number": line.number, "level": line.level, "text": line.text })
}
