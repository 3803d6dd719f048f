//! The settings that hold, and where each comes from.
//!
//! In: what was loaded. Out: a row for each key, in the order of the sections. Never: a secret; of one that is set
//! there is a mark.

use crate::environment::variable_of;
use crate::load::is_secret;
use crate::setting::settings;
use crate::{Config, Loaded, Place, Secret};

/// What is shown of a secret that is set.
const MASK: &str = "***";

/// One setting that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The dotted key.
    pub key: String,
    /// The variable that sets it.
    pub variable: String,
    /// Its value as a variable would give it; `***` is a secret that is set.
    pub value: String,
    /// The same of its default.
    pub default: String,
    /// Whether it is another value than the default.
    pub differs: bool,
    /// Whether its value is not shown.
    pub is_secret: bool,
    /// Where it was given; `None`: nowhere, so it is the default.
    pub place: Option<Place>,
}

impl Loaded {
    /// The secrets that are set, for who must not show one.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut config = self.config.clone();
        let slots = settings(&mut config).into_iter();
        let secret = slots.filter(|(key, slot)| slot.is_secret() || is_secret(key));
        secret.map(|(_, slot)| Secret::new(slot.written())).filter(|it| !it.is_empty()).collect()
    }

    /// Every setting, in the order of the sections.
    pub fn standing(&self) -> Vec<Standing> {
        let (mut config, mut default) = (self.config.clone(), Config::default());
        let pairs = settings(&mut config).into_iter().zip(settings(&mut default));
        pairs
            .map(|((key, here), (_, there))| {
                let is_secret = here.is_secret() || is_secret(&key);
                let shown = |text: String| match is_secret && !text.is_empty() {
                    true => MASK.to_owned(),
                    false => without_password(text),
                };
                // The last one counts.
                let place = self.places.iter().rfind(|(given, _)| *given == key);
                Standing {
                    variable: variable_of(&key),
                    value: shown(here.written()),
                    default: shown(there.written()),
                    differs: !here.holds(there.value()),
                    is_secret,
                    place: place.map(|(_, place)| place.clone()),
                    key,
                }
            })
            .collect()
    }
}

/// Some write an account into an address, where it does not belong: `name:password@host`. A comma may be one of a password: an
/// address ends at one that has a scheme behind it and an account before.
fn without_password(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    let mut addresses: Vec<String> = Vec::new();
    for part in text.split(',') {
        match addresses.last_mut() {
            Some(before) if !before.contains('@') || scheme(part).is_none() => {
                before.push(',');
                before.push_str(part);
            }
            _ => addresses.push(part.to_owned()),
        }
    }
    let masked = |address: &String| match address.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = scheme(before).map(|scheme| format!("{scheme}://"));
            format!("{}{MASK}@{host}", scheme.unwrap_or_default())
        }
        None => address.clone(),
    };
    addresses.iter().map(masked).collect::<Vec<_>>().join(",")
}

fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once("://")?;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (!scheme.is_empty() && scheme.bytes().all(is_one)).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (given, shown) in [
            ("mongodb://u:pa,ss@h:1", "mongodb://***@h:1"),
            ("mongodb://u:pa,s@s@h:1,i:2", "mongodb://***@h:1,i:2"),
            ("mongodb://u:p@s,ss@h:1", "mongodb://***@h:1"),
            ("mongodb://u:pa,x://ss@h:1", "mongodb://***@h:1"),
            ("u:pa,ss@h:1", "***@h:1"),
            ("u:pa,x://ss@h:1", "***@h:1"),
            ("u:p@h:1,mongodb://u:pa,ss@i:2", "***@h:1,mongodb://***@i:2"),
            ("mongodb://u:p@h:1,mongodb://i:2", "mongodb://***@h:1,mongodb://i:2"),
            ("10.0.0.0/8,fd00::/8", "10.0.0.0/8,fd00::/8"),
        ] {
            assert_eq!(without_password(given.to_owned()), shown, "{given}");
        }
    }
}
