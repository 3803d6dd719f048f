//! `openim config`: which settings hold and why, as variables, and what a key means.
//!
//! In: what was loaded, or a key. Out: text, or JSON. Never: a secret.

use std::fmt::Write as _;

use openim_config::{Doc, Loaded, Place, Standing, doc};
use serde_json::{Value, json};

/// What somebody may ask of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What holds, where it comes from; `all`: also where it is the default.
    Effective {
        /// Every key.
        all: bool,
    },
    /// The same as variables.
    Env,
}

/// Answers it, as JSON if asked to.
#[must_use]
pub fn answer(loaded: &Loaded, question: &Question, as_json: bool) -> String {
    let all = *question != Question::Effective { all: false };
    let mut rows = loaded.standing();
    rows.retain(|row| all || row.differs);
    if as_json {
        return lines(&Value::Array(rows.iter().map(row_json).collect()));
    }
    if rows.is_empty() {
        return "every key has its default; --all shows them\n".to_owned();
    }
    let line = match question {
        Question::Effective { .. } => effective_line,
        Question::Env => variable_line,
    };
    rows.iter().map(line).collect()
}

/// What there is to know of a key, a section, or a variable.
///
/// # Errors
/// One line: nothing has this name, and what was meant perhaps.
pub fn explain(name: &str, as_json: bool) -> anyhow::Result<String> {
    let found = doc(name)?;
    Ok(match as_json {
        true => lines(&doc_json(&found)),
        false => doc_text(&found),
    })
}

fn effective_line(row: &Standing) -> String {
    let default = match row.differs && !row.is_secret {
        true => format!("; default {}", visible(&row.default)),
        false => String::new(),
    };
    format!("{} = {}  ({}{default})\n", row.key, visible(&row.value), place(row))
}

/// As files of variables have them. One that would set a secret to its mask is none.
fn variable_line(row: &Standing) -> String {
    let off = if row.is_secret && !row.value.is_empty() { "# not shown: " } else { "" };
    format!("{off}{}={}\n", row.variable, one_line(&row.value))
}

fn place(row: &Standing) -> String {
    row.place.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string)
}

/// One of them, as programs get it.
pub(crate) fn row_json(row: &Standing) -> Value {
    let from = match &row.place {
        None => json!({ "kind": "default" }),
        Some(Place::File { name, line }) => json!({ "kind": "file", "file": name, "line": line }),
        Some(Place::Variable(name)) => json!({ "kind": "environment", "variable": name }),
    };
    json!({
        "key": row.key, "variable": row.variable, "value": row.value, "default": row.default,
        "differs": row.differs, "secret": row.is_secret, "from": from,
    })
}

fn doc_text(found: &Doc) -> String {
    let mut text = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| {
        // Writing to a text cannot fail.
        writeln!(text, "{line}").ok();
    };
    if let Some(asked) = &found.asked {
        say(format_args!("{asked}: a key of the original; it sets {}", found.key));
    }
    say(format_args!("{}", found.key));
    for line in found.text.lines() {
        say(format_args!("  {line}"));
    }
    if !found.with.is_empty() {
        say(format_args!("  (said of {} as well)", found.with.join(", ")));
    }
    if let Some(setting) = &found.setting {
        say(format_args!("default:  {}", visible(&setting.default)));
        if let Some(takes) = &setting.takes {
            say(format_args!("takes:    {takes}"));
        }
        say(format_args!("variable: {}", setting.variable));
    }
    for (section, said) in found.sections.iter().filter(|(_, said)| !said.is_empty()) {
        say(format_args!("section {section}: {}", said.replace('\n', " ")));
    }
    for key in &found.keys {
        say(format_args!("  {key}"));
    }
    text
}

fn doc_json(found: &Doc) -> Value {
    let sections = found.sections.iter();
    let sections: Vec<Value> =
        sections.map(|(key, text)| json!({ "key": key, "text": text })).collect();
    let setting = found.setting.as_ref();
    json!({
        "key": found.key, "text": found.text, "with": found.with, "sections": sections,
        "keys": found.keys, "asked": found.asked,
        "default": setting.map(|it| &it.default), "takes": setting.and_then(|it| it.takes.as_ref()),
        "variable": setting.map(|it| &it.variable),
    })
}

/// Seen even when empty.
fn visible(value: &str) -> String {
    if value.is_empty() { "\"\"".to_owned() } else { one_line(value) }
}

fn one_line(value: &str) -> String {
    let shown = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    value.chars().map(shown).collect()
}

fn lines(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded() -> Loaded {
        let text = "log:\n  level: debug\nsecret: planted-secret\npush:\n  tpns:\n    ios:\n      accessID: \"a\\nb\"\n";
        let env = [("OPENIM_API_OPENIMAPIPORT".to_owned(), "1,2".to_owned())];
        openim_config::parse(text, env.into_iter()).unwrap()
    }

    #[test]
    fn what_differs_is_told_with_its_place() {
        let text = answer(&loaded(), &Question::Effective { all: false }, false);
        for line in [
            "api.openImApiPort = 1,2  (OPENIM_API_OPENIMAPIPORT; default 10000)",
            "log.level = debug  (config:2; default info)",
            "secret = ***  (config:3)",
            "push.tpns.ios.accessID = a\\nb  (config:7; default \"\")",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        assert_eq!(text.lines().count(), 4, "{text}");
        let all = answer(&loaded(), &Question::Effective { all: true }, false);
        assert!(all.contains("\nlimits.pingSeconds = 25  (default)\n"), "{all}");
        let none = openim_config::parse("", std::iter::empty()).unwrap();
        let text = answer(&none, &Question::Effective { all: false }, false);
        assert!(text.contains("--all"), "{text}");
    }

    #[test]
    fn variables_are_a_file_of_variables() {
        let text = answer(&loaded(), &Question::Env, false);
        for line in [
            "OPENIM_API_OPENIMAPIPORT=1,2",
            "OPENIM_ADMIN_SECRET=",
            "# not shown: OPENIM_SECRET=***",
            "OPENIM_LIMITS_PINGSECONDS=25",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let told: Value =
            serde_json::from_str(&answer(&loaded(), &Question::Effective { all: false }, true))
                .unwrap();
        let level = told.as_array().unwrap().iter().find(|row| row["key"] == "log.level").unwrap();
        assert_eq!(level["from"], json!({ "kind": "file", "file": "config", "line": 2 }));
        assert_eq!((&level["value"], &level["default"]), (&json!("debug"), &json!("info")));
        assert!(!told.to_string().contains("planted-secret"));
    }

    #[test]
    fn a_key_is_explained() {
        let text = explain("OPENIM_LIMITS_PINGSECONDS", false).unwrap();
        for part in
            ["limits.pingSeconds\n  Seconds between pings", "default:  25", "section limits:"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let told: Value = serde_json::from_str(&explain("limits", true).unwrap()).unwrap();
        assert!(told["keys"].as_array().unwrap().iter().any(|key| key == "limits.pingSeconds"));
        assert_eq!(told["default"], Value::Null);
        let text = explain("mysql.dbMysqlAddress", false).unwrap();
        assert!(text.starts_with("mysql.dbMysqlAddress: a key of the original"), "{text}");
        assert!(explain("limits.pingSecond", false).is_err());
    }
}
