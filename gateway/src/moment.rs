//! Moments as people write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time with its distance from UTC, like `2021-06-30T12:30:00Z`, as unix milliseconds.
fn with_zone(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(&text.replacen(' ', "T", 1), &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// The same where UTC, seconds and the hour may be left out, or unix milliseconds.
pub(crate) fn in_utc(text: &str) -> Result<i64, &'static str> {
    let rests = ["", "Z", ":00Z", "T00:00:00Z"];
    let time = || rests.iter().find_map(|rest| with_zone(&format!("{text}{rest}")));
    let like = "it must be like 2021-06-30, 2021-06-30T12:30:00Z, or unix milliseconds";
    text.parse().ok().or_else(time).ok_or(like)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood() {
        for (text, zoned, ms) in [
            ("1970-01-02", false, Some(86_400_000)),
            ("2021-06-30", false, Some(1_625_011_200_000)),
            ("2021-06-30T12:30", false, Some(1_625_056_200_000)),
            ("2021-06-30T12:30:05Z", true, Some(1_625_056_205_000)),
            ("2021-06-30 12:30:05", false, Some(1_625_056_205_000)),
            ("2021-06-30 12:30:05.5z", true, Some(1_625_056_205_500)),
            ("2021-06-30T12:30:05.123456Z", true, Some(1_625_056_205_123)),
            ("2021-06-30T14:30:05+02:00", true, Some(1_625_056_205_000)),
            ("2021-06-30T10:00:05-02:30", true, Some(1_625_056_205_000)),
            ("1625056205000", false, Some(1_625_056_205_000)),
            ("-1", false, Some(-1)),
            ("yesterday", false, None),
            ("2021-13-01", false, None),
            ("2021-02-30", false, None),
            ("2021-06", false, None),
            ("2021-06-30T25:00", false, None),
            ("", false, None),
        ] {
            assert_eq!(in_utc(text).ok(), ms, "{text}");
            assert_eq!(with_zone(text), ms.filter(|_| zoned), "{text}");
        }
    }
}
