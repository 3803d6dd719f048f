//! Loading: default, then file, then environment, then checks.

use crate::nearest::nearest;
use crate::original::{self, Meaning};
use crate::setting::{Given, Slot, settings};
use crate::{Config, ConfigError, Engine, Faults, Place, environment, limits, locate};
use serde_yaml_ng::{Mapping, Value};
use std::path::Path;

/// What a text without a file is called in messages.
const TEXT_NAME: &str = "config";

/// The longest value shown in a message.
const SHOWN_CHARS_MAX: usize = 40;

/// Settings ready to use.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings, checked.
    pub config: Config,
    /// What the operator should know, one line each.
    pub warnings: Vec<String>,
    /// What keys of the original do here, one line each; for who asks.
    pub notes: Vec<String>,
    /// Keys that were given, and where; of one that was given twice the last counts.
    pub places: Vec<(String, Place)>,
}

/// Loads a file, or the built-in default when none is given, and the variables over it.
///
/// # Errors
/// Everything that is wrong, a line each; nothing is half applied.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Faults> {
    let Some(path) = file else {
        return parse("", env);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse_named(&path.display().to_string(), &text, env)
}

/// Loads from a text, and the variables over it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Faults> {
    parse_named(TEXT_NAME, text, env)
}

fn parse_named(
    name: &str,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Faults> {
    let mut config = Config::default();
    let mut faults = Vec::new();
    let Applied { mut warnings, notes, mut places } =
        apply_file(&mut config, name, text, &mut faults);
    environment::apply(&mut config, env, &mut places, &mut faults);
    limits::raise(&mut config, &mut warnings);
    // What was refused kept its default, which must not be blamed for how it fits the rest.
    let refused: Vec<String> =
        faults.iter().filter_map(ConfigError::key).map(String::from).collect();
    let conflicts = limits::conflicts(&config).into_iter();
    faults.extend(
        conflicts
            .filter(|found| !found.key().is_some_and(|key| refused.iter().any(|it| it == key))),
    );
    warn_of_published_secrets(&config, &mut warnings);
    Faults::none_of(faults, config).map(|config| Loaded { config, warnings, notes, places })
}

/// What a file has done to the settings, as [`Loaded`] has it.
struct Applied {
    warnings: Vec<String>,
    notes: Vec<String>,
    places: Vec<(String, Place)>,
}

/// Puts what the file gives over the defaults.
fn apply_file(
    config: &mut Config,
    name: &str,
    text: &str,
    faults: &mut Vec<ConfigError>,
) -> Applied {
    let mut told = Told::default();
    let slots = settings(config);
    File { name, text, slots, faults, told: &mut told }.read();
    let Told { set, retired, mut warnings, notes } = told;
    warnings.extend(original::warning(&retired));
    let given = |key: &str| set.iter().any(|(_, by)| by == key);
    if given(original::V1_PORT) && given("tokenpolicy.accessExpire") {
        days_to_seconds(&mut config.tokenpolicy.access_expire, &mut warnings);
    }
    let place = |by: &str| Place::File { name: name.to_owned(), line: locate::line_of(text, by) };
    let places = set.iter().map(|(key, by)| (key.clone(), place(by))).collect();
    Applied { warnings, notes, places }
}

/// Files of v1.0 count the life of a token in days: nobody means one of a few seconds. What can be hours in seconds
/// as well as years in days is left alone, aloud.
fn days_to_seconds(expire: &mut i64, warnings: &mut Vec<String>) {
    const HOUR_SECONDS: i64 = 3_600;
    const DAY_SECONDS: i64 = 86_400;
    if (1..HOUR_SECONDS).contains(expire) {
        warnings.push(format!(
            "tokenpolicy.accessExpire: {expire} is taken as days, as in other files with {}; seconds \
             are meant here: write {}",
            original::V1_PORT,
            *expire * DAY_SECONDS
        ));
        *expire *= DAY_SECONDS;
    } else if (HOUR_SECONDS..DAY_SECONDS).contains(expire) {
        warnings.push(format!(
            "tokenpolicy.accessExpire: {expire} is taken as seconds, less than a day; other files with {} count \
             days: write {} if these are meant",
            original::V1_PORT,
            *expire * DAY_SECONDS
        ));
    }
}

/// A file being applied.
struct File<'a, 'c> {
    name: &'a str,
    text: &'a str,
    slots: Vec<(String, Box<dyn Slot + 'c>)>,
    faults: &'a mut Vec<ConfigError>,
    told: &'a mut Told,
}

/// What became of a file's keys.
#[derive(Default)]
struct Told {
    /// Keys that were set, and by which key of the file.
    set: Vec<(String, String)>,
    retired: Vec<String>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl File<'_, '_> {
    fn read(mut self) {
        match serde_yaml_ng::from_str(self.text) {
            Ok(Value::Null) => {}
            Ok(Value::Mapping(keys)) => self.apply("", &keys),
            Ok(_) => self.syntax(None, "keys are expected, like \"engine: embedded\"".to_owned()),
            Err(error) => {
                let detail = error.to_string().replace('\n', " ");
                match locate::repeated(self.text).filter(|_| detail.contains("duplicate entry")) {
                    Some((again, first)) => {
                        let key = self.text.lines().nth(again - 1).unwrap_or_default();
                        let key = shown(key.split(':').next().unwrap_or_default().trim());
                        let detail = format!("{key} is in line {first} already; take one out");
                        self.syntax(Some(again), detail);
                    }
                    None => self.syntax(error.location().map(|at| at.line()), detail),
                }
            }
        }
    }

    /// Applies the keys of one section.
    fn apply(&mut self, section: &str, keys: &Mapping) {
        for (key, value) in keys {
            let Some(key) = text_of(key) else {
                let line = locate::line_of(self.text, section);
                self.syntax(line, format!("a key in {section:?} is not a name"));
                continue;
            };
            let key = if section.is_empty() { key } else { format!("{section}.{key}") };
            if let Some(meaning) = original::meaning(&key) {
                self.apply_original(key, meaning, value);
            } else if key == original::LOGIN_POLICY && !value.is_mapping() && !value.is_null() {
                self.apply_login_policy(key, value);
            } else if self.slots.iter().any(|(known, _)| *known == key) {
                self.set(&key, &key, value);
            } else if self.is_section(&key) {
                match value {
                    Value::Mapping(keys) => self.apply(&key, keys),
                    Value::Null => {}
                    _ => self.wrong(&key, value, "a section with keys".into()),
                }
            } else {
                self.unknown(key);
            }
        }
    }

    /// Applies a key that only the original has.
    fn apply_original(&mut self, key: String, meaning: Meaning, value: &Value) {
        match meaning {
            Meaning::Sets(ours) => {
                self.told.notes.push(format!("{key}: sets {ours}"));
                self.set(ours, &key, value);
            }
            Meaning::LogLevel => match given(value).as_ref().map(original::log_level) {
                Some(Ok(level)) => {
                    if matches!(level, "debug" | "trace") {
                        self.told.warnings.push(format!(
                            "{key}: {} means level {level} here, a line and more for every message; \
                             set log.level: info unless you look for a fault",
                            found(value)
                        ));
                    }
                    self.told.notes.push(format!("{key}: sets log.level to {level}"));
                    self.set("log.level", &key, &Value::from(level));
                }
                Some(Err(expected)) => self.wrong(&key, value, expected),
                None => self.wrong(&key, value, "a number".to_owned()),
            },
            Meaning::Nothing(why) => {
                self.told.notes.push(format!("{key}: means nothing here: {why}"));
                self.warn_of_missed(&key, value, why);
                self.told.retired.push(key);
            }
        }
    }

    /// Applies `multiloginpolicy` as a number.
    fn apply_login_policy(&mut self, key: String, value: &Value) {
        let (on, differs) = match given(value).as_ref().map(original::login_policy) {
            Some(Ok(policy)) => policy,
            Some(Err(expected)) => return self.wrong(&key, value, expected),
            None => return self.wrong(&key, value, "a number, or a section with keys".to_owned()),
        };
        let shown = found(value);
        self.told.notes.push(format!("{key}: {shown} turns on {key}.{on}"));
        if let Some(differs) = differs {
            self.told.warnings.push(format!("{key}: {shown} means {on} here: {differs}"));
        }
        let switches: Vec<String> = self.slots.iter().map(|(known, _)| known.clone()).collect();
        for switch in switches {
            if let Some(name) = switch.strip_prefix("multiloginpolicy.") {
                let value = Value::from(name == on);
                self.set(&switch, &key, &value);
            }
        }
    }

    /// Says so if a switch in a section that means nothing is on.
    fn warn_of_missed(&mut self, key: &str, value: &Value, why: &str) {
        match value {
            Value::Mapping(below) => {
                for (name, value) in below {
                    if let Some(name) = text_of(name) {
                        self.warn_of_missed(&format!("{key}.{name}"), value, why);
                    }
                }
            }
            Value::Bool(true) if original::is_missed(key) => {
                self.told.warnings.push(format!("{key} is on, but means nothing here: {why}"));
            }
            _ => {}
        }
    }

    /// Sets one of our keys, as `by`, a key of the file, asks.
    fn set(&mut self, key: &str, by: &str, value: &Value) {
        let Some(at) = self.slots.iter().position(|(known, _)| known == key) else { return };
        if let Some((_, before)) =
            self.told.set.iter().find(|(set, before)| set == key && before != by)
        {
            let expected = format!("left out, as it sets the same as {before}");
            return self.wrong(by, value, expected);
        }
        self.told.set.push((key.to_owned(), by.to_owned()));
        let outcome = match given(value) {
            Some(given) => self.slots[at].1.set(&given),
            // How a fraction was written is not known, so it cannot be taken as text.
            None if value.is_f64() => Err("a whole number, or text in quotes".to_owned()),
            None => Err("one value, or a list where a list belongs".to_owned()),
        };
        if let Err(expected) = outcome {
            self.wrong(by, value, expected);
        }
    }

    fn is_section(&self, key: &str) -> bool {
        self.slots
            .iter()
            .any(|(known, _)| known.strip_prefix(key).is_some_and(|below| below.starts_with('.')))
    }

    fn place(&self, key: &str) -> Place {
        Place::File { name: self.name.to_owned(), line: locate::line_of(self.text, key) }
    }

    fn syntax(&mut self, line: Option<usize>, detail: String) {
        let place = Place::File { name: self.name.to_owned(), line };
        self.faults.push(ConfigError::Syntax { place, detail });
    }

    fn wrong(&mut self, key: &str, value: &Value, expected: String) {
        let found = if is_secret(key) { "not shown".to_owned() } else { found(value) };
        let place = self.place(key);
        self.faults.push(ConfigError::Value { place, key: key.to_owned(), found, expected });
    }

    fn unknown(&mut self, key: String) {
        let sections = self.slots.iter().filter_map(|(known, _)| Some(known.rsplit_once('.')?.0));
        let keys = self.slots.iter().map(|(known, _)| known.as_str());
        let nearest = nearest(&key, keys.chain(sections)).map(str::to_owned);
        self.faults.push(ConfigError::UnknownKey { place: self.place(&key), key, nearest });
    }
}

/// Whether a value of this key must not stand in a message.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("secret") || key.contains("password")
}

/// A YAML value as text; `None` for sections, tagged values and fractions (whose text is not kept).
fn given(value: &Value) -> Option<Given> {
    match value {
        Value::Sequence(items) => items.iter().map(text_of).collect::<Option<_>>().map(Given::List),
        Value::Null => Some(Given::Scalar(String::new())),
        _ => text_of(value).map(Given::Scalar),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// A YAML value for a message.
fn found(value: &Value) -> String {
    match value {
        Value::Mapping(_) => "a section".to_owned(),
        Value::Tagged(_) => "a tagged value".to_owned(),
        Value::Number(number) => number.to_string(),
        _ => match given(value) {
            Some(Given::Scalar(text)) => shown(&text),
            Some(Given::List(texts)) => shown(&format!("[{}]", texts.join(", "))),
            None => "a list of something else than values".to_owned(),
        },
    }
}

/// A text for a message: short, on one line, and visible even when empty.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "empty".to_owned();
    }
    let mut short: String =
        text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// The original's sample secrets are known to everyone, and its files are copied with them. A cluster does not start with
/// them, and generates none.
fn warn_of_published_secrets(config: &Config, warnings: &mut Vec<String>) {
    if config.engine == Engine::Cluster {
        return;
    }
    let published: Vec<&str> = [
        ("secret", &config.secret, "tuoyun"),
        ("tokenpolicy.accessSecret", &config.tokenpolicy.access_secret, "open_im_server"),
    ]
    .into_iter()
    .filter(|(_, secret, sample)| secret.expose() == *sample)
    .map(|(key, _, _)| key)
    .collect();
    if !published.is_empty() {
        warnings.push(format!(
            "{}: the original's published sample value, so anyone can issue tokens; set your own, or \
             leave it empty to have one generated",
            published.join(", ")
        ));
    }
}
