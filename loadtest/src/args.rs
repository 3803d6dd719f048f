//! Command line: a table of flags per command, a parser that refuses what the table does not hold,
//! and help made from the same table.
//!
//! In: the words after the program's name. Out: [`Parsed`] or a text for the user. Never exits.

use anyhow::{Context, anyhow, bail};
use std::collections::HashMap;
use std::fmt::Write;
use std::str::FromStr;

/// One option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Name without the dashes.
    pub(crate) name: &'static str,
    /// What its value stands for; empty for a switch.
    pub(crate) value: &'static str,
    /// One or two lines for `--help`.
    pub(crate) help: &'static str,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// The word that selects it.
    pub(crate) name: &'static str,
    /// One line: what it does.
    pub(crate) about: &'static str,
    /// Its own options.
    pub(crate) flags: &'static [Flag],
}

/// Shorthand for the tables.
pub(crate) const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value, help }
}

/// Options that every command takes.
pub(crate) const COMMON: &[Flag] = &[
    flag("rest", "URL", "REST address (http://127.0.0.1:10000); https:// is with TLS"),
    flag("ws", "URL", "websocket address (ws://127.0.0.1:7777); wss:// is with TLS"),
    flag("ca", "FILE", "whose certificates to trust with TLS, in PEM"),
    flag("resume", "", "with TLS, come again by the tickets of earlier connections"),
    flag("secret", "TEXT", "register secret of the server"),
    flag("data-dir", "DIR", "read the secret from DIR/secret (./data)"),
    flag("help", "", "this text"),
];

/// Options of all commands that measure.
pub(crate) const MEASURING: &[Flag] = &[
    flag("threads", "N", "client threads (1; more when one descriptor table is too small)"),
    flag("prefix", "TEXT", "user ids begin with this (lt)"),
    flag("platform", "1..7", "platform of the users (1)"),
    flag("pid", "PID", "server process: adds its CPU time and memory"),
    flag("parts", "NAME=PID,...", "processes of a cluster: adds the CPU time of each"),
    flag("json", "FILE", "write the whole result there; - is stdout"),
    flag("report", "FILE", "write a page with plots there (HTML, without scripts)"),
    flag("revision", "TEXT", "revision of the server, for the result (git rev-parse HEAD)"),
    flag("progress", "", "live line on stderr even when it is no terminal"),
    flag("timeout", "S", "give up a connect, a handshake or a REST call after S seconds (30)"),
];

/// The options given.
#[derive(Debug)]
pub(crate) struct Parsed {
    values: HashMap<&'static str, String>,
    /// The words as given, for the record.
    pub(crate) words: Vec<String>,
}

impl Parsed {
    /// Reads `words` by the flags of `command`.
    pub(crate) fn read(flags: &[&'static [Flag]], words: &[String]) -> anyhow::Result<Self> {
        let mut values = HashMap::new();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let Some(given) = word.strip_prefix("--") else {
                bail!("unexpected word {word:?}; options begin with --");
            };
            let (name, inline) = match given.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (given, None),
            };
            let flag = flags
                .iter()
                .flat_map(|group| group.iter())
                .find(|flag| flag.name == name)
                .ok_or_else(|| anyhow!("unknown option --{name}; see --help"))?;
            let value = match (flag.value.is_empty(), inline) {
                (true, None) => String::new(),
                (true, Some(_)) => bail!("--{name} takes no value"),
                (false, Some(value)) => value,
                (false, None) => {
                    rest.next().ok_or_else(|| anyhow!("--{name} needs a value"))?.clone()
                }
            };
            if values.insert(flag.name, value).is_some() {
                bail!("--{name} is given twice");
            }
        }
        Ok(Self { values, words: words.to_vec() })
    }

    /// Whether a switch is set or an option given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The text of an option.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The text of an option, or its default.
    pub(crate) fn text_or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.text(name).unwrap_or(default)
    }

    /// A number, also written `15_000`, `15k` or `2m`.
    pub(crate) fn number<T: TryFrom<u64>>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let plain = text.replace('_', "").to_ascii_lowercase();
        let (digits, factor) = match plain.as_bytes().last() {
            Some(b'k') => (&plain[..plain.len() - 1], 1_000),
            Some(b'm') => (&plain[..plain.len() - 1], 1_000_000),
            _ => (plain.as_str(), 1),
        };
        let number = u64::from_str(digits)
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .and_then(|number| T::try_from(number).ok())
            .with_context(|| format!("--{name}: {text:?} is no number in range"))?;
        Ok(Some(number))
    }

    /// A number, or its default.
    pub(crate) fn number_or<T: TryFrom<u64>>(&self, name: &str, default: T) -> anyhow::Result<T> {
        Ok(self.number(name)?.unwrap_or(default))
    }

    /// A number that has no default.
    pub(crate) fn number_needed<T: TryFrom<u64>>(&self, name: &str) -> anyhow::Result<T> {
        self.number(name)?.with_context(|| format!("--{name} is needed; see --help"))
    }
}

/// Help of one command.
pub(crate) fn help_of(command: &Command, groups: &[&'static [Flag]]) -> String {
    let mut out = format!("openim-loadtest {}: {}\n\n", command.name, command.about);
    for group in groups {
        for flag in *group {
            let left = if flag.value.is_empty() {
                format!("--{}", flag.name)
            } else {
                format!("--{} {}", flag.name, flag.value)
            };
            let help = flag.help.replace('\n', &format!("\n{:27}", ""));
            writeln!(out, "  {left:24} {help}").expect("writing to memory cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[&[Flag]] =
        &[&[flag("links", "N", "how many"), flag("both-ways", "", "answer too")], COMMON];

    fn read(words: &str) -> anyhow::Result<Parsed> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Parsed::read(FLAGS, &words)
    }

    #[test]
    fn values_switches_and_multiples_are_read() {
        let parsed = read("--links 15k --both-ways --ws=ws://h:1").unwrap();
        assert_eq!(parsed.number_needed::<usize>("links").unwrap(), 15_000);
        assert!(parsed.has("both-ways"));
        assert_eq!(parsed.text("ws"), Some("ws://h:1"));
        assert_eq!(read("--links 1_000").unwrap().number_or("links", 0u64).unwrap(), 1000);
        assert_eq!(read("").unwrap().number_or("links", 7u64).unwrap(), 7);
    }

    #[test]
    fn what_the_table_does_not_hold_is_refused_by_name() {
        let wrong = ["--lnks 5", "links", "--links", "--both-ways=1", "--links 1 --links 2"];
        for words in wrong {
            assert!(read(words).is_err(), "{words}");
        }
        assert!(read("--lnks 5").unwrap_err().to_string().contains("--lnks"));
        assert!(read("--links many").unwrap().number_needed::<u64>("links").is_err());
        assert!(read("--links 300").unwrap().number_needed::<u8>("links").is_err());
        assert!(read("").unwrap().number_needed::<u8>("links").is_err());
    }

    #[test]
    fn help_names_every_option() {
        let command = Command { name: "x", about: "does x", flags: FLAGS[0] };
        let text = help_of(&command, FLAGS);
        assert!(text.contains("--links N") && text.contains("--both-ways"));
        assert!(text.contains("--secret TEXT"));
    }
}
