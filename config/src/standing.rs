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

/// Some write an account into an address, where it does not belong: `name:password@host`.
fn without_password(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    let masked = |part: &str| match part.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
            format!("{}{MASK}@{host}", scheme.unwrap_or_default())
        }
        None => part.to_owned(),
    };
    text.split(',').map(masked).collect::<Vec<_>>().join(",")
}
