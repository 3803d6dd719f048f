//! What each setting is and where that comes from, for who looks at a running server.
//!
//! In: the file and the variables that it was started with. Out: a row a key, in words as they were given. Secrets are not shown.

use std::collections::HashMap;
use std::path::Path;

use serde_yaml_ng::Value;

use crate::environment::variable_of;
use crate::load::{given, text_of};
use crate::original::{self, Meaning};
use crate::setting::{Given, settings};
use crate::{Config, Secret};

/// The commented default, whose values are the built-in ones.
const DEFAULT: &str = include_str!("../config.yaml");

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// It is built in.
    Default,
    /// The file.
    File,
    /// A variable of the environment.
    Environment,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The dotted key.
    pub key: String,
    /// As it was given; `None` for a secret that is set.
    pub value: Option<String>,
    /// What it is else.
    pub default: String,
    /// Who gave it.
    pub from: From,
    /// Whether it is another value than the default.
    pub differs: bool,
}

/// All settings of `config`, which was loaded from `file` and `env`. A file that is gone gives nothing.
pub fn effective(
    config: &Config,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Vec<Effective> {
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    effective_of(config, &text, env)
}

fn effective_of(
    config: &Config,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Vec<Effective> {
    let (defaults, in_file) = (texts(DEFAULT), texts(text));
    let in_env: HashMap<String, String> = env.collect();
    let differing = config.differing(&Config::default());
    let mut own = config.clone();
    settings(&mut own)
        .into_iter()
        .map(|(key, slot)| {
            let default = defaults.get(&key).cloned().unwrap_or_default();
            let (from, value) = match (in_env.get(&variable_of(&key)), in_file.get(&key)) {
                (Some(value), _) => (From::Environment, value.clone()),
                (None, Some(value)) => (From::File, value.clone()),
                (None, None) => (From::Default, default.clone()),
            };
            let is_secret = slot.value().downcast_ref::<Secret>();
            let value = match is_secret {
                Some(secret) if !secret.is_empty() => None,
                _ => Some(value),
            };
            let differs = differing.contains(&key);
            Effective { key, value, default, from, differs }
        })
        .collect()
}

/// The values of a file by our keys.
fn texts(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    if let Ok(whole) = serde_yaml_ng::from_str(text) {
        flatten("", &whole, &mut found);
    }
    found
}

fn flatten(above: &str, value: &Value, found: &mut HashMap<String, String>) {
    let Value::Mapping(keys) = value else {
        let text = match given(value) {
            Some(Given::Scalar(text)) => text,
            Some(Given::List(texts)) => texts.join(", "),
            None => return,
        };
        let key = match original::meaning(above) {
            Some(Meaning::Sets(ours)) => ours.to_owned(),
            _ => above.to_owned(),
        };
        found.insert(key, text);
        return;
    };
    for (key, value) in keys {
        let Some(key) = text_of(key) else { continue };
        let path = if above.is_empty() { key } else { format!("{above}.{key}") };
        flatten(&path, value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn each_key_says_where_it_comes_from_and_secrets_are_not_shown() {
        let file =
            "api:\n  openImApiPort: [1, 2]\nsecret: a secret of my own\nlog:\n  level: info\n";
        let env = || [("OPENIM_GATEWAY_SHARDS".to_owned(), "3".to_owned())].into_iter();
        let config = parse(file, env()).unwrap().config;
        let rows = effective_of(&config, file, env());
        let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap().clone();
        let ports = row("api.openImApiPort");
        assert_eq!(
            (ports.value.as_deref(), ports.from, ports.differs),
            (Some("1, 2"), From::File, true)
        );
        assert_eq!(ports.default, "10000");
        let shards = row("gateway.shards");
        assert_eq!((shards.value.as_deref(), shards.from), (Some("3"), From::Environment));
        let level = row("log.level");
        assert_eq!((level.from, level.differs), (From::File, false));
        assert_eq!(row("secret").value, None);
        assert_eq!(row("admin.secret").value.as_deref(), Some(""), "none is set");
        assert!(rows.iter().all(|row| !format!("{row:?}").contains("of my own")));
        assert_eq!(rows.len(), crate::variables().len());
        let lacking: Vec<_> =
            rows.iter().filter(|row| row.value.is_none() && row.key != "secret").collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }
}
