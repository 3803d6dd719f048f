//! The line of a key in a YAML text, for messages.
//!
//! The parser gives values without their lines; this finds them again for the block style that
//! settings are written in. A key it cannot find has no line in the message, nothing worse.

/// The line of a dotted key, counted from 1.
pub(crate) fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut parts = key.split('.').peekable();
    // The indent of the section entered last, and that of the keys in it once the first was seen.
    let mut above: Option<usize> = None;
    let mut level: Option<usize> = Some(0);
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if above.is_some_and(|above| indent <= above) {
            return None; // Left the section: the key is not written in block style.
        }
        if *level.get_or_insert(indent) != indent {
            continue;
        }
        let name = content.split(':').next()?.trim().trim_matches(['"', '\'']);
        if name == *parts.peek()? {
            parts.next();
            if parts.peek().is_none() {
                return Some(index + 1);
            }
            (above, level) = (Some(indent), None);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# c\nengine: embedded\nmysql:\n  topic: 1\nkafka:\n  # topic: x\n  ws:\n    topic: a\n  \"ms\":\n    topic: b\napi: { port: 1 }\n";

    #[test]
    fn finds_keys_in_their_own_section() {
        for (key, line) in [
            ("engine", Some(2)),
            ("kafka", Some(5)),
            ("kafka.ws.topic", Some(8)),
            ("kafka.ms.topic", Some(10)),
            ("api", Some(11)),
            ("api.port", None),
            ("kafka.topic", None),
            ("mysql.ws", None),
            ("topic", None),
        ] {
            assert_eq!(line_of(TEXT, key), line, "{key}");
        }
    }
}
