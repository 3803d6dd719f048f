//! Settings from environment variables: `OPENIM_<PATH>`, the dotted key in capitals with `_` for `.`.
//!
//! A variable with the prefix that sets nothing is refused, because it is a slip. Two kinds are let
//! through: `OPENIM_TEST_*`, and those that Kubernetes sets in every container for a service whose name
//! begins with `openim`.

use crate::nearest::nearest;
use crate::setting::{Given, settings};
use crate::{Config, ConfigError, Place};

const PREFIX: &str = "OPENIM_";
const TEST_PREFIX: &str = "OPENIM_TEST_";

/// The variable that sets a key.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

/// Every key with the variable that sets it, in the order of the sections.
pub fn variables() -> Vec<(String, String)> {
    let mut config = Config::default();
    settings(&mut config)
        .into_iter()
        .map(|(key, _)| {
            let variable = variable_of(&key);
            (key, variable)
        })
        .collect()
}

/// The variables of this process that [`crate::load()`] looks at. Text that is not UTF-8 is replaced, so
/// that it is refused as a value instead of ending the process.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// Puts what the variables give over what the file gave.
pub(crate) fn apply(
    config: &mut Config,
    env: impl Iterator<Item = (String, String)>,
    places: &mut Vec<(String, Place)>,
    faults: &mut Vec<ConfigError>,
) {
    let mut slots = settings(config);
    for (name, value) in env {
        if !name.starts_with(PREFIX) || name.starts_with(TEST_PREFIX) {
            continue;
        }
        if let Some((key, slot)) = slots.iter_mut().find(|(key, _)| variable_of(key) == name) {
            let place = Place::Variable(name);
            places.push((key.clone(), place.clone()));
            if let Err(expected) = slot.set(&Given::Scalar(value.clone())) {
                let (key, found) = (key.clone(), crate::load::shown(&value));
                faults.push(ConfigError::Value { place, key, found, expected });
            }
        } else if !is_of_kubernetes(&name, &value) {
            let names: Vec<String> = slots.iter().map(|(key, _)| variable_of(key)).collect();
            let nearest = nearest(&name, names.iter().map(String::as_str)).map(str::to_owned);
            faults.push(ConfigError::UnknownVariable { name, nearest });
        }
    }
}

/// `..._SERVICE_HOST`, `..._SERVICE_PORT[_NAME]`, `..._PORT` with an address, `..._PORT_80_TCP[_...]`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    if name.ends_with("_PORT") && value.contains("://") {
        return true;
    }
    name.match_indices("_PORT_").any(|(at, part)| {
        let mut rest = name[at + part.len()..].split('_');
        let is_port = rest.next().is_some_and(|port| port.parse::<u16>().is_ok());
        is_port && matches!(rest.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}
