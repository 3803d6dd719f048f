//! Why settings are refused: a line for each fault that says what, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use crate::Config;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, and the line if it could be found.
    File {
        /// The file's name as given.
        name: String,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Place::File { name, line: None } => f.write_str(name),
            Place::Variable(name) => f.write_str(name),
        }
    }
}

/// Settings that cannot be used. `Display` is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}); give a readable file, or none to use the defaults", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{place}: not valid YAML: {detail}")]
    Syntax {
        /// Where the parser gave up.
        place: Place,
        /// What it says.
        detail: String,
    },
    /// A key nobody knows.
    #[error("{place}: unknown key {key}{}", hint(nearest.as_deref(), "config/config.yaml lists all keys"))]
    UnknownKey {
        /// Where.
        place: Place,
        /// The dotted key.
        key: String,
        /// The nearest valid key.
        nearest: Option<String>,
    },
    /// A variable with our prefix that sets nothing.
    #[error("unknown environment variable {name}{}", hint(nearest.as_deref(), "unset it: OPENIM_ names set keys of config/config.yaml"))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The nearest valid name.
        nearest: Option<String>,
    },
    /// A value of a wrong type or out of range.
    #[error("{place}: {key} is {found}; it must be {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The dotted key.
        key: String,
        /// What was given, shortened; never a secret.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Settings that are good alone but not together.
    #[error("{key} is {found}; it must be {expected}")]
    Conflict {
        /// The dotted key to change.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        expected: String,
    },
}

impl ConfigError {
    /// The key whose value is at fault, if it is one known key's.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            ConfigError::Value { key, .. } => Some(key),
            ConfigError::Conflict { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// All faults of the settings, at least one. `Display` is one line: the first, and how many follow.
#[derive(Debug)]
pub struct Faults {
    faults: Vec<ConfigError>,
    /// What could be read beside them.
    rest: Box<Config>,
}

impl Faults {
    /// An error if there are any.
    pub(crate) fn none_of(faults: Vec<ConfigError>, rest: Config) -> Result<Config, Faults> {
        if faults.is_empty() { Ok(rest) } else { Err(Faults { faults, rest: Box::new(rest) }) }
    }

    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.faults.iter()
    }

    /// The settings as far as they are good, with the default where they are not: for whoever has more to say of
    /// them, never to run with.
    pub fn rest(&self) -> &Config {
        &self.rest
    }
}

impl From<ConfigError> for Faults {
    fn from(fault: ConfigError) -> Faults {
        Faults { faults: vec![fault], rest: Box::default() }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.faults.split_first() else { return Ok(()) };
        write!(f, "{first}")?;
        if !rest.is_empty() {
            write!(f, " (and {} more: openim check-config FILE lists them all)", rest.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// What follows behind a name that is not known.
pub(crate) fn hint(nearest: Option<&str>, otherwise: &str) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => format!("; {otherwise}"),
    }
}
