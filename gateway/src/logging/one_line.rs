//! One line of the log stays one line: what others send cannot begin a new one, or speak to a terminal.
//!
//! In: a line as it was formatted. Out: the same, with control characters written as Rust would. Never
//! changes a line that has none.

use std::borrow::Cow;
use std::io;

use tracing_subscriber::fmt::MakeWriter;

/// Writers of another kind, whose lines are made safe.
pub(super) struct OneLine<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = Escaping<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        Escaping(self.0.make_writer_for(meta))
    }
}

/// A writer that is given a whole line at a time.
pub(super) struct Escaping<W>(W);

impl<W: io::Write> io::Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match escaped(line) {
            Cow::Borrowed(line) => self.0.write_all(line)?,
            Cow::Owned(text) => self.0.write_all(&text)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a terminal, or whoever reads line by line, takes it for more than text.
fn acts(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
}

fn escaped(line: &[u8]) -> Cow<'_, [u8]> {
    let (text, end) = match line.split_last() {
        Some((b'\n', text)) => (text, "\n"),
        _ => (line, ""),
    };
    let text = String::from_utf8_lossy(text);
    if !text.contains(acts) && matches!(text, Cow::Borrowed(_)) {
        return Cow::Borrowed(line);
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for letter in text.chars() {
        match acts(letter) {
            true => safe.extend(letter.escape_default()),
            false => safe.push(letter),
        }
    }
    safe.push_str(end);
    Cow::Owned(safe.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_written_out_and_the_rest_stays() {
        let line = "2021 INFO uid=\u{e9}\u{4f60} \\n said\n".as_bytes();
        assert!(matches!(escaped(line), Cow::Borrowed(same) if same == line));
        let forged = b"a\nINFO b\r\x1b[2J\x00\x7f\xff\tc\n";
        let safe = String::from_utf8(escaped(forged).into_owned()).unwrap();
        assert_eq!(safe, "a\\nINFO b\\r\\u{1b}[2J\\u{0}\\u{7f}\u{fffd}\\tc\n");
        assert_eq!(&*escaped("\u{85}\u{2028}\u{202e}".as_bytes()), br"\u{85}\u{2028}\u{202e}");
    }
}
