//! The frames that docs/protocol.md shows are those of the golden files, which the codec writes and reads.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tree::{assert_none, root};

const DOCUMENT: &str = "docs/protocol.md";
const GOLDEN: &str = "gateway/protocol/tests/golden";

#[test]
fn frames_in_the_protocol_are_the_golden_ones() {
    let document = std::fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let mut wrong = Vec::new();
    let mut shown = BTreeSet::new();
    for block in blocks(&document) {
        let place = format!("{DOCUMENT}:{}", block.number);
        let Some(name) = block.golden else {
            wrong.push(format!("{place}: no `<!-- golden: FILE -->` above the block"));
            continue;
        };
        let golden = std::fs::read(root().join(GOLDEN).join(name)).ok();
        let golden = golden.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let here = serde_json::from_str::<Value>(&block.text).ok();
        if here.is_none() || here != golden {
            wrong.push(format!("{place}: is not what {GOLDEN}/{name} holds"));
        }
        shown.insert(name);
    }
    assert_none(&wrong, "the golden file is right; copy it into the document");
    for kind in ["newest-seq", "pull", "receipt", "push-", "kick-", "error-", "request-"] {
        let found = shown.iter().any(|name| name.starts_with(kind));
        assert!(found, "{DOCUMENT} has no example of {kind}");
    }
}

/// A block of JSON in the document.
struct Block<'a> {
    /// Its first line, counted from 1.
    number: usize,
    /// The file that the comment above it names.
    golden: Option<&'a str>,
    text: String,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    let mut above = "";
    for (number, line) in (1..).zip(document.lines()) {
        if line == "```json" {
            let golden =
                above.strip_prefix("<!-- golden: ").and_then(|rest| rest.strip_suffix(" -->"));
            open = Some(Block { number, golden, text: String::new() });
        } else if line == "```" {
            blocks.extend(open.take());
        } else if let Some(block) = &mut open {
            block.text.push_str(line);
            block.text.push('\n');
        }
        above = line;
    }
    blocks
}
