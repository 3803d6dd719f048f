//! What is wrong with components: told once when it begins and once when it is over, and how long to leave them alone.

use std::fmt::Display;
use std::time::Duration;

use crate::pause::pause;

/// What a transfer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    /// Reading the log.
    Log,
    /// Producing relays and notices.
    Relays,
    History,
    Directory,
    Presence,
    Archive,
}

impl Component {
    const ALL: [Self; 6] =
        [Self::Log, Self::Relays, Self::History, Self::Directory, Self::Presence, Self::Archive];

    const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Relays => "relays",
            Self::History => "history",
            Self::Directory => "directory",
            Self::Presence => "presence",
            Self::Archive => "archive",
        }
    }
}

#[derive(Debug, Default)]
struct Trouble {
    why: Option<String>,
    failures: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Troubles([Trouble; 6]);

impl Troubles {
    pub(crate) fn met(&mut self, component: Component, why: &dyn Display) {
        let trouble = &mut self.0[component as usize];
        trouble.failures = trouble.failures.saturating_add(1);
        let why = why.to_string();
        if trouble.why.is_none() {
            tracing::warn!(
                component = component.name(),
                why,
                "a component fails; it is asked again"
            );
        }
        trouble.why = Some(why);
    }

    pub(crate) fn over(&mut self, component: Component) {
        let trouble = &mut self.0[component as usize];
        if trouble.why.take().is_some() {
            tracing::info!(component = component.name(), "the component answers again");
        }
        trouble.failures = 0;
    }

    pub(crate) fn is_met(&self, component: Component) -> bool {
        self.0[component as usize].why.is_some()
    }

    /// How long a call that fails now is not made again.
    pub(crate) fn pause(&self, component: Component) -> Duration {
        pause(self.0[component as usize].failures.saturating_add(1))
    }

    /// Those that are there now.
    pub(crate) fn told(&self) -> Vec<(&'static str, String)> {
        let told = |of: Component| Some((of.name(), self.0[of as usize].why.clone()?));
        Component::ALL.into_iter().filter_map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_reason_is_told_until_it_is_over() {
        let mut troubles = Troubles::default();
        let first = troubles.pause(Component::History);
        for why in ["away", "still away", "still away"] {
            troubles.met(Component::History, &why);
        }
        assert_eq!(troubles.told(), [("history", "still away".to_owned())]);
        assert!(troubles.pause(Component::History) > first, "it is left alone for longer");
        assert!(troubles.is_met(Component::History) && !troubles.is_met(Component::Presence));
        troubles.over(Component::History);
        assert!(troubles.told().is_empty() && !troubles.is_met(Component::History));
    }
}
