//! What `config/config.yaml` says of a key: the one place where keys are described is that file.
//!
//! In: a key, a section, a variable, or a key of the original. Out: the comments above it there, its default and what
//! it takes; or the nearest name that there is.

use crate::Config;
use crate::environment::variable_of;
use crate::error::hint;
use crate::locate::line_of;
use crate::nearest::nearest;
use crate::original::{self, Meaning};
use crate::setting::{Given, settings};

/// The file, compiled in.
const COMMENTED: &str = include_str!("../config.yaml");

/// No value of a number, an address or a choice.
const NO_VALUE: &str = "\u{1}";

/// What is known of a key or a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// The dotted key.
    pub key: String,
    /// What the file says of it; may have several lines, and none where it says nothing.
    pub text: String,
    /// Keys that the same text is about.
    pub with: Vec<String>,
    /// The sections that it is in, the outer one first, and what the file says of them.
    pub sections: Vec<(String, String)>,
    /// Of a key.
    pub setting: Option<SettingDoc>,
    /// Keys of a section, whole.
    pub keys: Vec<String>,
    /// Where somebody asked for a key of the original that sets this one.
    pub asked: Option<String>,
}

/// What a key has besides, and a section has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// The variable that sets it.
    pub variable: String,
    /// Its default as a variable would give it.
    pub default: String,
    /// What it must be; nothing where any text will do.
    pub takes: Option<String>,
}

/// Nothing has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchKey {
    /// Nobody knows it.
    #[error("unknown key {key}{}", hint(nearest.as_deref(), "openim config --env lists all keys"))]
    Unknown {
        /// As it was given.
        key: String,
        /// What was meant, perhaps.
        nearest: Option<String>,
    },
    /// The original had it.
    #[error("{key}: a key of the original that means nothing here: {why}")]
    Original {
        /// As it was given.
        key: String,
        /// Why it means nothing.
        why: &'static str,
    },
}

/// What there is to know of `name`: a dotted key, a section, the variable of a key, or a key of the original.
///
/// # Errors
/// [`NoSuchKey`].
pub fn doc(name: &str) -> Result<Doc, NoSuchKey> {
    match original::meaning(name) {
        Some(Meaning::Sets(ours)) => original_doc(name, ours),
        Some(Meaning::LogLevel) => original_doc(name, "log.level"),
        Some(Meaning::Nothing(why)) => Err(NoSuchKey::Original { key: name.to_owned(), why }),
        None => own_doc(name),
    }
}

fn original_doc(name: &str, ours: &str) -> Result<Doc, NoSuchKey> {
    Ok(Doc { asked: Some(name.to_owned()), ..own_doc(ours)? })
}

fn own_doc(name: &str) -> Result<Doc, NoSuchKey> {
    let mut config = Config::default();
    let mut slots = settings(&mut config);
    let is_meant = |key: &str| key == name || variable_of(key) == name;
    let found = slots.iter_mut().find(|(key, _)| is_meant(key));
    if let Some((key, slot)) = found {
        let default = slot.written();
        let takes = slot.set(&Given::Scalar(NO_VALUE.to_owned())).err();
        let setting = Some(SettingDoc { variable: variable_of(key), default, takes });
        return Ok(Doc { setting, ..described(key) });
    }
    let keys: Vec<String> = slots.into_iter().map(|(key, _)| key).collect();
    let is_below = |key: &&String| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let below: Vec<String> = keys.iter().filter(is_below).cloned().collect();
    if !below.is_empty() {
        return Ok(Doc { keys: below, ..described(name) });
    }
    let variables: Vec<String> = keys.iter().map(|key| variable_of(key)).collect();
    let sections = keys.iter().filter_map(|key| Some(key.rsplit_once('.')?.0));
    let names = keys.iter().chain(&variables).map(String::as_str).chain(sections);
    let nearest = nearest(name, names).map(str::to_owned);
    Err(NoSuchKey::Unknown { key: name.to_owned(), nearest })
}

/// What the file says of a key or section, and of those around it.
fn described(key: &str) -> Doc {
    let (text, siblings) = above(key);
    let section = key.rsplit_once('.').map(|(section, _)| section);
    let whole = |name: String| section.map_or_else(|| name.clone(), |at| format!("{at}.{name}"));
    let around = key.match_indices('.').map(|(end, _)| &key[..end]);
    Doc {
        key: key.to_owned(),
        text,
        with: siblings.into_iter().map(whole).collect(),
        sections: around.map(|section| (section.to_owned(), above(section).0)).collect(),
        setting: None,
        keys: Vec::new(),
        asked: None,
    }
}

/// The comment above a key, and the keys of its section that stand between the two: it is about them as well.
fn above(key: &str) -> (String, Vec<String>) {
    let lines: Vec<&str> = COMMENTED.lines().collect();
    let Some(line) = line_of(COMMENTED, key) else { return Default::default() };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[line - 1]);
    let (mut text, mut siblings) = (Vec::new(), Vec::new());
    for line in lines[..line - 1].iter().rev() {
        let content = line.trim_start();
        if content.is_empty() || indent(line) != own {
            break;
        }
        match (content.strip_prefix('#'), text.is_empty()) {
            (Some(said), _) => text.push(said.strip_prefix(' ').unwrap_or(said)),
            (None, true) => siblings.push(content.split(':').next().unwrap_or_default().to_owned()),
            (None, false) => break,
        }
    }
    if text.is_empty() {
        siblings.clear();
    }
    text.reverse();
    siblings.reverse();
    (text.join("\n"), siblings)
}
