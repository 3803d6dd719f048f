//! Lines that do not come through `tracing`: what runs, what ends the process, what is audited.
//!
//! In: a message and named values. Out: one line in the form of the log. Never: a line break inside.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openim_config::LogFormat;
use serde_json::Value;

/// A message with named values, in their order.
#[derive(Clone, Debug)]
pub struct Line {
    level: &'static str,
    message: String,
    values: Vec<(&'static str, Value)>,
}

impl Line {
    /// Something worth knowing.
    pub fn info(message: impl Into<String>) -> Line {
        Line { level: "INFO", message: message.into(), values: Vec::new() }
    }

    /// Something that went wrong.
    pub fn error(message: impl Into<String>) -> Line {
        Line { level: "ERROR", ..Line::info(message) }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Line {
        self.values.push((name, value.into()));
        self
    }

    /// The line, with the time in front and a line feed behind.
    pub fn text(&self, format: LogFormat) -> String {
        let time = timestamp(SystemTime::now());
        match format {
            LogFormat::Json => {
                let (level, message) = (self.level, Value::from(self.message.as_str()));
                let mut line = format!(
                    "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":{message}"
                );
                for (name, value) in &self.values {
                    // Writing into a text cannot fail.
                    write!(line, ",\"{name}\":{value}").ok();
                }
                line.push_str("}\n");
                line
            }
            LogFormat::Text => {
                let mut line = format!("{time} {:>5} openim: {}", self.level, self.message);
                for (name, value) in &self.values {
                    // Writing into a text cannot fail.
                    write!(line, " {name}={value}").ok();
                }
                line.push('\n');
                line
            }
        }
    }
}

/// A moment as the log writes it: `2021-06-01T12:00:00.000000Z`.
pub(crate) fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let second = since.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = since.subsec_micros();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z", date(at))
}

/// A day in UTC: `2021-06-01`.
pub(crate) fn date(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    // A clock beyond the year 9999 shows the first day.
    let at = time::OffsetDateTime::from_unix_timestamp(seconds);
    at.unwrap_or(time::OffsetDateTime::UNIX_EPOCH).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        let at = UNIX_EPOCH + Duration::from_micros(1_622_548_801_000_042);
        assert_eq!(timestamp(at), "2021-06-01T12:00:01.000042Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(951_782_400)), "2000-02-29");
    }

    #[test]
    fn a_line_is_one_line_in_both_forms() {
        let line = Line::error("it\nbroke").with("port", 7).with("path", "a\nb \"c\"");
        let json: Value = serde_json::from_str(&line.text(LogFormat::Json)).unwrap();
        assert_eq!(json["level"], "ERROR");
        assert_eq!(json["message"], "it\nbroke");
        assert_eq!(json["port"], 7);
        let text = Line::info("ready").with("path", "a\nb \"c\"").text(LogFormat::Text);
        assert!(text.ends_with("  INFO openim: ready path=\"a\\nb \\\"c\\\"\"\n"), "{text}");
    }
}
