//! The arguments of `openim archive`.

use super::{Command, Given, UsageError};
use crate::archive::Query;

pub(super) const HELP: &str = "\
openim archive --data-dir DIR [--user UID [--with UID] | --group GID] [--since TIME] [--until TIME]
               [--text TEXT] [--from POSITION] [--limit N] [--follow]

Prints the messages whose `persistent` switch was on, in the order they were sent, as one JSON object a
line. A server may run on the directory, and does not notice: what is printed is what it has on the disk, and
the disk is left to it most of the time. Filters given together must all be met.

  --data-dir DIR    the server's data directory; run this as the server's user
  --user UID        messages that this user has sent, and those of single chats that were sent to them
  --with UID        of these only the single chat with this other user
  --group GID       messages to this group
  --since TIME      sent at this time or later, by the server's clock: 2021-06-30, 2021-06-30T12:30:00Z (UTC),
                    or unix milliseconds, as appendTimeMs of each line shows them
  --until TIME      sent before this time
  --text TEXT       whose content has this in it, in capitals or not
  --from POSITION   position in the log to begin at (default 0); each line shows its own
  --limit N         messages printed at most (default: all)
  --follow          go on with what comes, until this is ended
";

/// The flags.
pub(super) const FLAGS: &[&str] = &[
    "--data-dir",
    "--user",
    "--with",
    "--group",
    "--since",
    "--until",
    "--text",
    "--from",
    "--limit",
    "--follow",
];

pub(super) fn parse(mut given: Given) -> Result<Command, UsageError> {
    let Some(data_dir) = given.path("--data-dir") else {
        let text = "archive needs the data directory: openim archive --data-dir DIR";
        return Err(UsageError(text.to_owned()));
    };
    let mut text = |flag: &str| given.take(flag).map(|value| value.to_string_lossy().into_owned());
    let (user, with, group) = (text("--user"), text("--with"), text("--group"));
    let (since, until, text) = (text("--since"), text("--until"), text("--text"));
    let query = Query {
        data_dir,
        user,
        with,
        group,
        since_ms: since.map(|since| moment("--since", &since)).transpose()?,
        until_ms: until.map(|until| moment("--until", &until)).transpose()?,
        text,
        from: given.number("--from")?.unwrap_or(0),
        messages_max: given.number("--limit")?,
        follow: given.take("--follow").is_some(),
    };
    let contradiction = if query.with.is_some() && query.user.is_none() {
        Some("--with names the other one of a chat: --user UID --with UID")
    } else if query.with.is_some() && query.group.is_some() {
        Some("--with is of a single chat and --group of a group: take one of them")
    } else if query.follow && query.until_ms.is_some() {
        Some("--follow has no end and --until one: take one of them")
    } else {
        None
    };
    match contradiction {
        Some(text) => Err(UsageError(text.to_owned())),
        None => Ok(Command::Archive(query)),
    }
}

fn moment(flag: &str, text: &str) -> Result<i64, UsageError> {
    unix_ms(text).ok_or_else(|| {
        let like = "it must be like 2021-06-30, 2021-06-30T12:30:00Z, or unix milliseconds";
        UsageError(format!("{flag} is {text:?}; {like}"))
    })
}

/// A day or a time of one, UTC, or a number of milliseconds.
fn unix_ms(text: &str) -> Option<i64> {
    if !text.contains('-') {
        return text.parse().ok();
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, hour) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = numbers(day, '-', 3)?[..] else { return None };
    let mut hour = numbers(hour, ':', 3)?;
    hour.resize(3, 0);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let day = u8::try_from(day).ok()?;
    let day = time::Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    let [hour, minute, second] = hour[..] else { return None };
    let small = |number: u32| u8::try_from(number).ok();
    let time = day.with_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    Some(time.assume_utc().unix_timestamp() * 1_000)
}

fn numbers(text: &str, between: char, max: usize) -> Option<Vec<u32>> {
    let numbers: Option<Vec<u32>> = text.split(between).map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| (2..=max).contains(&numbers.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood() {
        for (text, ms) in [
            ("1970-01-02", Some(86_400_000)),
            ("2021-06-30", Some(1_625_011_200_000)),
            ("2021-06-30T12:30", Some(1_625_056_200_000)),
            ("2021-06-30T12:30:05Z", Some(1_625_056_205_000)),
            ("2021-06-30 12:30:05", Some(1_625_056_205_000)),
            ("1625056205000", Some(1_625_056_205_000)),
            ("0", Some(0)),
            ("yesterday", None),
            ("2021-13-01", None),
            ("2021-02-30", None),
            ("2021-06", None),
            ("2021-06-30T25:00", None),
            ("2021-06-30T12:00+02:00", None),
            ("", None),
        ] {
            assert_eq!(unix_ms(text), ms, "{text}");
        }
    }
}
