//! What a source says, as text: a line each, `key = value`. Unknown keys are of a later version and mean nothing here.

use std::fmt;
use std::str::FromStr;

use super::{About, BaseAbout, Part};
use crate::embedded::epochs::Epochs;

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, epochs, first, durable, time_ms, base, kept } = self;
        for line in format.lines() {
            writeln!(f, "format = {line}")?;
        }
        for line in epochs.text().lines() {
            writeln!(f, "epochs = {line}")?;
        }
        writeln!(f, "first = {first}\ndurable = {durable}\ntime = {time_ms}")?;
        if let Some(BaseAbout { through, low, bytes }) = base {
            writeln!(f, "base = {through} {low} {bytes}")?;
        }
        kept.iter().try_for_each(|(name, text)| writeln!(f, "kept = {name} {}", text.trim()))
    }
}

impl FromStr for About {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut about, mut epochs) = (Self::default(), String::new());
        for line in text.lines() {
            let read = match line.split_once(" = ") {
                Some(("format", line)) => {
                    about.format.push_str(line);
                    about.format.push('\n');
                    Some(())
                }
                Some(("epochs", line)) => {
                    epochs.push_str(line);
                    epochs.push('\n');
                    Some(())
                }
                Some(("first", value)) => number(value).map(|first| about.first = first),
                Some(("durable", value)) => number(value).map(|durable| about.durable = durable),
                Some(("time", value)) => value.parse().ok().map(|time| about.time_ms = time),
                Some(("base", value)) => numbers(value).map(|[through, low, bytes]| {
                    about.base = Some(BaseAbout { through, low, bytes });
                }),
                Some(("kept", value)) => value.split_once(' ').map(|(name, text)| {
                    about.kept.push((name.to_owned(), text.to_owned()));
                }),
                _ => Some(()),
            };
            read.ok_or_else(|| format!("the line {line:?} is malformed"))?;
        }
        if about.format.is_empty() {
            return Err("it does not say which data it has".to_owned());
        }
        let epochs = Epochs::parse(&epochs);
        about.epochs = epochs.map_err(|what| format!("the list of epochs {what}"))?;
        Ok(about)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || format!("the part {text:?} is malformed");
        let words: Vec<&str> = text.split(' ').collect();
        let &[segment, durable, time_ms, base] = words.as_slice() else { return Err(malformed()) };
        let read = || {
            let time_ms = time_ms.parse().ok()?;
            let (segment, durable, base) = (number(segment)?, number(durable)?, number(base)?);
            Some(Self { segment, durable, time_ms, base })
        };
        read().ok_or_else(malformed)
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// Exactly `N` numbers.
pub(super) fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = text.split(' ').map(number).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::log::Salt;

    #[test]
    fn what_a_source_says_is_read_back() {
        let about = About {
            format: "# a title\nversion = 3\n".to_owned(),
            epochs: Epochs::default().with_next(Salt(1), 700),
            first: 64,
            durable: 900,
            time_ms: -5,
            base: Some(BaseAbout { through: 3, low: 2, bytes: 1 }),
            kept: vec![("secret".to_owned(), "with a space".to_owned())],
        };
        assert_eq!(about.to_string().parse(), Ok(about.clone()));
        let none = About { base: None, kept: Vec::new(), ..about };
        assert_eq!(format!("{none}later = 3\n").parse(), Ok(none));
        for text in ["", "format = x", "format = x\nepochs = 1", "first = -1"] {
            assert!(text.parse::<About>().is_err(), "{text}");
        }
        let part = Part { segment: 1, durable: 2, time_ms: 3, base: 4 };
        assert_eq!(part.to_string().parse(), Ok(part));
        assert!("1 2 3".parse::<Part>().is_err());
    }
}
