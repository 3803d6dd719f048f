//! The line of a key in a YAML text, for messages.
//!
//! The parser gives values without their lines, and a key that is there twice with that of the section
//! around it; this finds them again for the block style that settings are written in. A key it cannot find
//! has no line in the message, nothing worse.

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

/// The line of the first key that its section has already, and the line where it had it, counted from 1.
pub(crate) fn repeated(text: &str) -> Option<(usize, usize)> {
    // The keys seen so far in each section around the line, by its indent.
    let mut open: Vec<(usize, Vec<(&str, usize)>)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        open.retain(|(around, _)| *around <= indent);
        let Some((name, _)) = content.split_once(':').filter(|(name, rest)| {
            !name.starts_with(['-', '[', '{']) && (rest.is_empty() || rest.starts_with(' '))
        }) else {
            continue;
        };
        let name = name.trim().trim_matches(['"', '\'']);
        match open.last_mut().filter(|(around, _)| *around == indent) {
            None => open.push((indent, vec![(name, index + 1)])),
            Some((_, keys)) => match keys.iter().find(|(key, _)| *key == name) {
                Some((_, first)) => return Some((index + 1, *first)),
                None => keys.push((name, index + 1)),
            },
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

    #[test]
    fn finds_what_is_there_twice_in_one_section_only() {
        assert_eq!(repeated(TEXT), None);
        for (again, lines) in [
            ("mysql:\n", Some((12, 3))),
            ("kafka:\n", Some((12, 5))),
            ("topic: 1\n", None),
            ("log:\n  a: 1\n  # a: 1\n  b: 1\n  'a': 2\n", Some((16, 13))),
        ] {
            assert_eq!(repeated(&format!("{TEXT}{again}")), lines, "{again}");
        }
    }
}
