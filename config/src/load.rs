//! Loading: default, then file, then environment, then checks.

use crate::nearest::nearest;
use crate::setting::{Given, Slot, settings};
use crate::{Config, ConfigError, Engine, Place, environment, limits, locate, retired};
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
}

/// Loads a file, or the built-in default when none is given, and the variables over it.
///
/// # Errors
/// The first thing that is wrong, as one line; nothing is half applied.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
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
pub fn parse(
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    parse_named(TEXT_NAME, text, env)
}

fn parse_named(
    name: &str,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let mut config = Config::default();
    let retired = apply_file(&mut config, name, text)?;
    let mut warnings: Vec<String> = retired::warning(&retired).into_iter().collect();
    environment::apply(&mut config, env)?;
    if config.engine == Engine::Cluster {
        return Err(ConfigError::EngineNotBuilt);
    }
    limits::raise(&mut config, &mut warnings);
    limits::check(&config)?;
    warn_of_published_secrets(&config, &mut warnings);
    Ok(Loaded { config, warnings })
}

/// Puts what the file gives over the defaults; gives the keys that mean nothing here.
fn apply_file(config: &mut Config, name: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let root: Value = serde_yaml_ng::from_str(text).map_err(|error| ConfigError::Syntax {
        name: name.to_owned(),
        detail: error.to_string().replace('\n', " "),
    })?;
    let mut file = File { name, text, slots: settings(config), retired: Vec::new() };
    match &root {
        Value::Null => {}
        Value::Mapping(keys) => file.apply("", keys)?,
        _ => {
            return Err(ConfigError::Syntax {
                name: name.to_owned(),
                detail: "keys are expected, like \"engine: embedded\"".to_owned(),
            });
        }
    }
    Ok(file.retired)
}

/// A file being applied.
struct File<'a, 'c> {
    name: &'a str,
    text: &'a str,
    slots: Vec<(String, Box<dyn Slot + 'c>)>,
    retired: Vec<String>,
}

impl File<'_, '_> {
    /// Applies the keys of one section.
    fn apply(&mut self, section: &str, keys: &Mapping) -> Result<(), ConfigError> {
        for (key, value) in keys {
            let Some(key) = text_of(key) else {
                return Err(ConfigError::Syntax {
                    name: self.name.to_owned(),
                    detail: format!("a key in {section:?} is not a name"),
                });
            };
            let key = if section.is_empty() { key } else { format!("{section}.{key}") };
            if retired::is_retired(&key) {
                self.retired.push(key);
            } else if let Some(at) = self.slots.iter().position(|(known, _)| *known == key) {
                self.set(at, value)?;
            } else if self.is_section(&key) {
                match value {
                    Value::Mapping(keys) => self.apply(&key, keys)?,
                    Value::Null => {}
                    _ => return Err(self.wrong(key, found(value), "a section with keys".into())),
                }
            } else {
                return Err(self.unknown(key));
            }
        }
        Ok(())
    }

    fn set(&mut self, at: usize, value: &Value) -> Result<(), ConfigError> {
        let (key, slot) = &mut self.slots[at];
        let outcome = match given(value) {
            Some(given) => slot.set(&given),
            // How a fraction was written is not known, so it cannot be taken as text.
            None if value.is_f64() => Err("a whole number, or text in quotes".to_owned()),
            None => Err("one value, or a list where a list belongs".to_owned()),
        };
        let key = key.clone();
        outcome.map_err(|expected| self.wrong(key, found(value), expected))
    }

    fn is_section(&self, key: &str) -> bool {
        self.slots
            .iter()
            .any(|(known, _)| known.strip_prefix(key).is_some_and(|below| below.starts_with('.')))
    }

    fn place(&self, key: &str) -> Place {
        Place::File { name: self.name.to_owned(), line: locate::line_of(self.text, key) }
    }

    fn wrong(&self, key: String, found: String, expected: String) -> ConfigError {
        let found = if is_secret(&key) { "not shown".to_owned() } else { found };
        ConfigError::Value { place: self.place(&key), key, found, expected }
    }

    fn unknown(&self, key: String) -> ConfigError {
        let sections = self.slots.iter().filter_map(|(known, _)| Some(known.rsplit_once('.')?.0));
        let keys = self.slots.iter().map(|(known, _)| known.as_str());
        let nearest = nearest(&key, keys.chain(sections)).map(str::to_owned);
        ConfigError::UnknownKey { place: self.place(&key), key, nearest }
    }
}

/// Whether a value of this key must not stand in a message.
fn is_secret(key: &str) -> bool {
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

/// The original's sample secrets are known to everyone, and its files are copied with them.
fn warn_of_published_secrets(config: &Config, warnings: &mut Vec<String>) {
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
