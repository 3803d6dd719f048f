//! What is wrong with components: told once when it begins and once when it is over ([`Spell`]), and how long to leave them
//! alone.

use std::fmt::Display;
use std::time::{Duration, Instant};

use openim_storage::guard::{Change, Spell};

use crate::pause::pause;
use crate::status::Missed;

/// What a transfer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    /// Reading the log.
    Log,
    /// Producing relays and notices.
    Relays,
    /// Reading the history.
    History,
    /// Writing it.
    Stores,
    Directory,
    Presence,
    Archive,
}

impl Component {
    const ALL: [Self; 7] = [
        Self::Log,
        Self::Relays,
        Self::History,
        Self::Stores,
        Self::Directory,
        Self::Presence,
        Self::Archive,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Relays => "relays",
            Self::History => "history",
            Self::Stores => "stores",
            Self::Directory => "directory",
            Self::Presence => "presence",
            Self::Archive => "archive",
        }
    }

    /// Whether nothing is stored without it. Without the directory groups wait that nobody remembers, without presence all
    /// gateways are told everything.
    const fn stops_all(self) -> bool {
        match self {
            Self::Log | Self::Relays | Self::History | Self::Stores => true,
            Self::Directory | Self::Presence | Self::Archive => false,
        }
    }

    /// Whether a question shows that it is well again. What cannot be written is tried again by whoever writes.
    const fn can_be_asked(self) -> bool {
        match self {
            Self::Log | Self::History | Self::Directory | Self::Presence => true,
            Self::Relays | Self::Stores | Self::Archive => false,
        }
    }
}

/// How long a component has not failed when it is asked whether it is well: perhaps nobody needs it any more.
const QUIET: Duration = Duration::from_secs(1);
/// The same of one that cannot be asked: longer than until what failed is read and written again.
const LONG_QUIET: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Trouble {
    why: Option<String>,
    failures: u32,
    failed: Option<Instant>,
    asked: Option<Instant>,
    asking: bool,
    /// Whether its begin was told and its end was not: it may be well for a moment between.
    spell: Spell,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    all: [Trouble; Component::ALL.len()],
    /// Another thread of the process reads the same and tells of it.
    told_elsewhere: Option<Component>,
}

impl Troubles {
    /// Of a thread beside another one that tells of this component.
    pub(crate) fn beside(told_elsewhere: Component) -> Self {
        Self { told_elsewhere: Some(told_elsewhere), ..Self::default() }
    }

    /// It does not do what it was asked for just now.
    pub(crate) fn met(&mut self, component: Component, why: &dyn Display) {
        self.failed(component, why, Instant::now());
    }

    /// It does what it was asked for just now.
    pub(crate) fn over(&mut self, component: Component) {
        let trouble = &self.all[component as usize];
        if trouble.why.is_some() || trouble.failures > 0 || trouble.spell.lasts() {
            self.answered(component, Instant::now());
        }
    }

    /// A call that had begun then has failed.
    pub(crate) fn failed(&mut self, component: Component, why: &dyn Display, began: Instant) {
        let told_elsewhere = self.told_elsewhere == Some(component);
        let trouble = &mut self.all[component as usize];
        trouble.failures = trouble.failures.saturating_add(1);
        let change = trouble.spell.failed(began);
        if change == Change::Late {
            return;
        }
        trouble.failed = Some(Instant::now());
        let why = why.to_string();
        if change == Change::Begun && !told_elsewhere {
            let component = component.name();
            tracing::warn!(component, why, "a component fails; it is asked again");
        }
        trouble.why = Some(why);
    }

    /// A call that had begun then is answered.
    pub(crate) fn answered(&mut self, component: Component, began: Instant) {
        let told_elsewhere = self.told_elsewhere == Some(component);
        let trouble = &mut self.all[component as usize];
        trouble.failures = 0;
        if !trouble.spell.lasts() {
            return;
        }
        trouble.why = None;
        if trouble.spell.answered(began) == Change::Over && !told_elsewhere {
            tracing::info!(component = component.name(), "the component answers again");
        }
    }

    /// Those that are to be asked now whether they are well; [`Self::asked`] follows for each.
    pub(crate) fn whom_to_ask(&mut self) -> Vec<Component> {
        let mut all = Component::ALL.to_vec();
        all.retain(|component| {
            let trouble = &mut self.all[*component as usize];
            let lately = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < QUIET);
            let due = component.can_be_asked()
                && trouble.spell.lasts()
                && !lately(trouble.failed)
                && !lately(trouble.asked)
                && !trouble.asking;
            if due {
                (trouble.asking, trouble.asked) = (true, Some(Instant::now()));
            }
            due
        });
        all
    }

    /// Nobody has anything to write: what had failed was written all the same, or is another process's to write now.
    pub(crate) fn nothing_to_write(&mut self) {
        for component in Component::ALL.into_iter().filter(|component| !component.can_be_asked()) {
            let failed = self.all[component as usize].failed;
            if failed.is_some_and(|failed| failed.elapsed() >= LONG_QUIET) {
                self.over(component);
            }
        }
    }

    /// One was asked; how it failed, if it did.
    pub(crate) fn asked(&mut self, component: Component, failed: Option<&dyn Display>) {
        let trouble = &mut self.all[component as usize];
        trouble.asking = false;
        let began = trouble.asked.unwrap_or_else(Instant::now);
        match failed {
            Some(why) => self.failed(component, why, began),
            None => self.answered(component, began),
        }
    }

    pub(crate) fn is_met(&self, component: Component) -> bool {
        self.all[component as usize].why.is_some()
    }

    /// How long a call that fails now is not made again.
    pub(crate) fn pause(&self, component: Component) -> Duration {
        pause(self.all[component as usize].failures.saturating_add(1))
    }

    /// Those that are there now.
    pub(crate) fn told(&self) -> Vec<Missed> {
        let told = |of: Component| {
            let why = self.all[of as usize].why.clone()?;
            Some(Missed { component: of.name(), why, stops_all: of.stops_all() })
        };
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
        let missed =
            |component, stops_all| Missed { component, why: "still away".to_owned(), stops_all };
        assert_eq!(troubles.told(), [missed("history", true)]);
        troubles.met(Component::Directory, &"still away");
        assert_eq!(troubles.told(), [missed("history", true), missed("directory", false)]);
        troubles.over(Component::Directory);
        assert!(troubles.pause(Component::History) > first, "it is left alone for longer");
        assert!(troubles.is_met(Component::History) && !troubles.is_met(Component::Presence));
        troubles.over(Component::History);
        assert!(troubles.told().is_empty() && !troubles.is_met(Component::History));
    }

    #[test]
    fn who_has_been_quiet_for_a_while_is_asked_once_at_a_time() {
        let mut troubles = Troubles::default();
        for component in [Component::Presence, Component::Stores] {
            troubles.met(component, &"away");
        }
        assert_eq!(troubles.whom_to_ask(), []);
        for trouble in &mut troubles.all {
            trouble.failed = trouble.failed.and_then(|failed| failed.checked_sub(QUIET));
        }
        assert_eq!(troubles.whom_to_ask(), [Component::Presence], "stores are tried by who stores");
        assert_eq!(troubles.whom_to_ask(), []);
        troubles.asked(Component::Presence, None);
        assert!(troubles.is_met(Component::Stores) && !troubles.is_met(Component::Presence));
        troubles.nothing_to_write();
        assert!(troubles.is_met(Component::Stores), "what failed may be read and written again");
        let stores = &mut troubles.all[Component::Stores as usize];
        stores.failed = stores.failed.and_then(|failed| failed.checked_sub(LONG_QUIET));
        troubles.nothing_to_write();
        assert!(!troubles.is_met(Component::Stores));
    }
}
