//! The last lines of the log and of the audit, for the console.
//!
//! In: lines as their writer's thread writes them, so nobody who logs waits. Out: those behind a number, by level and text. Bounded:
//! [`KEPT_LINES_MAX`] of each, [`LINE_BYTES_MAX`] of a line. Never: more than the files or standard error get.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::audit::TARGET;

/// Lines kept of each.
pub(crate) const KEPT_LINES_MAX: usize = 1_000;
/// Bytes kept of a line.
pub(crate) const LINE_BYTES_MAX: usize = 1_024;
/// Levels, the gravest first, as lines have them.
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// The last lines of one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<KeptLine>,
    /// The number of the next one.
    next: u64,
}

/// A line that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptLine {
    pub(crate) number: u64,
    /// Empty where it cannot be told.
    pub(crate) level: &'static str,
    pub(crate) text: String,
}

impl Kept {
    fn push(&self, level: &'static str, text: &str) {
        let mut end = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut lines = self.0.lock();
        let line = KeptLine { number: lines.next, level, text: text[..end].to_owned() };
        lines.next += 1;
        lines.last.push_back(line);
        if lines.last.len() > KEPT_LINES_MAX {
            lines.last.pop_front();
        }
    }

    /// The newest lines with a number of `from` or above, as grave as `level` (empty: all) and with `text` in them, the
    /// newest last; and the number of the next.
    pub(crate) fn read(
        &self,
        from: u64,
        level: &str,
        text: &str,
        most: usize,
    ) -> (Vec<KeptLine>, u64) {
        let grave = LEVELS.iter().position(|of| *of == level).unwrap_or(LEVELS.len());
        let is_as_grave = |line: &&KeptLine| {
            let of = LEVELS.iter().position(|of| *of == line.level);
            of.is_none_or(|of| of <= grave)
        };
        let lines = self.0.lock();
        let behind = lines.last.iter().rev().take_while(|line| line.number >= from);
        let found = behind.filter(is_as_grave).filter(|line| line.text.contains(text));
        let mut found: Vec<KeptLine> = found.take(most).cloned().collect();
        found.reverse();
        (found, lines.next)
    }
}

/// What is kept of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptLines {
    pub(crate) log: Kept,
    pub(crate) audit: Kept,
}

impl KeptLines {
    /// Takes a line of the log; one of the audit that lies there, for want of a folder, belongs to the audit.
    fn take(&self, line: &str) {
        let level = level(line).unwrap_or_default();
        match of_audit(line) {
            Some(event) => self.audit.push(level, &event),
            None => self.log.push(level, line),
        }
    }
}

/// The level of a line, be it text or JSON.
fn level(line: &str) -> Option<&'static str> {
    let word = match line.starts_with('{') {
        true => line.split("\"level\":\"").nth(1)?.split('"').next()?,
        false => line.split_whitespace().nth(1)?,
    };
    LEVELS.into_iter().find(|level| *level == word)
}

/// The event of the audit in a line of the log, be it text or JSON.
fn of_audit(line: &str) -> Option<String> {
    if !line.contains(TARGET) {
        return None;
    }
    if line.starts_with('{') {
        let whole: serde_json::Value = serde_json::from_str(line).ok()?;
        let is = whole["target"] == TARGET;
        return whole["message"].as_str().filter(|_| is).map(str::to_owned);
    }
    let (head, event) = line.split_once(&format!(" {TARGET}: "))?;
    // Time and level are before it, and nothing else.
    (head.split_whitespace().count() == 2).then(|| event.to_owned())
}

/// A sink of lines that are kept besides.
pub(super) struct Teed<W> {
    pub(super) sink: W,
    pub(super) kept: KeptLines,
    /// All of them are the audit's.
    pub(super) is_audit: bool,
}

impl<W: io::Write> io::Write for Teed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines().filter(|line| !line.is_empty()) {
            match self.is_audit {
                true => self.kept.audit.push("INFO", line),
                false => self.kept.take(line),
            }
        }
        self.sink.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_found_by_number_level_and_text_and_the_oldest_go() {
        let kept = Kept::default();
        (0..KEPT_LINES_MAX + 5)
            .for_each(|n| kept.push(["INFO", "WARN"][n % 2], &format!("line {n}")));
        let (all, next) = kept.read(0, "", "", usize::MAX);
        assert_eq!(
            (all.len(), all[0].number, next),
            (KEPT_LINES_MAX, 5, KEPT_LINES_MAX as u64 + 5)
        );
        let (warnings, _) = kept.read(next - 4, "WARN", "", 10);
        assert_eq!(warnings.len(), 2);
        assert_eq!(kept.read(0, "", "line 17", usize::MAX).0[0].number, 17);
        assert!(kept.read(next, "", "", 10).0.is_empty());
        kept.push("INFO", &"ü".repeat(LINE_BYTES_MAX));
        assert_eq!(kept.read(next, "", "", 10).0[0].text.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn the_audit_is_told_from_the_log() {
        let kept = KeptLines::default();
        let mut teed = Teed { sink: Vec::new(), kept: kept.clone(), is_audit: false };
        let lines = [
            "2026-12-01T00:00:00.000000Z  WARN openim_gateway::clock: it is late, says audit: nobody",
            "2026-12-01T00:00:00.000000Z  INFO audit: {\"message\":\"login\"}",
            "{\"timestamp\":\"2026-12-01T00:00:00Z\",\"level\":\"ERROR\",\"message\":\"bad\",\"target\":\"openim\"}",
            "{\"timestamp\":\"2026-12-01T00:00:00Z\",\"level\":\"INFO\",\"message\":\"{}\",\"target\":\"audit\"}",
        ];
        lines.iter().for_each(|line| writeln!(teed, "{line}").unwrap());
        let levels = |kept: &Kept| -> Vec<_> {
            kept.read(0, "", "", 9).0.into_iter().map(|line| line.level).collect()
        };
        assert_eq!(levels(&kept.log), ["WARN", "ERROR"]);
        assert_eq!(levels(&kept.audit), ["INFO", "INFO"]);
        assert_eq!(kept.audit.read(0, "", "", 9).0[1].text, "{}");
        assert_eq!(teed.sink.len(), lines.iter().map(|line| line.len() + 1).sum::<usize>());
    }
}
