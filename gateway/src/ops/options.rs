//! Receive options: each is set at the home of the user or group whose messages it is about, which decides from then on by it.
//!
//! Asked one after the other from where the request came in. What one home has set stays set where another one refuses.

use std::collections::BTreeMap;
use std::rc::Rc;

use openim_storage::port::PreferenceChange;

use crate::bus::{OptionSet, Refused, SetOptions};
use crate::driver::Core;

/// Sets options; same order. Whatever is sent behind the answer sees them.
///
/// # Errors
/// Nobody knows of all of them whether they are set.
pub(crate) async fn set(
    core: &Rc<Core>,
    changes: Vec<PreferenceChange>,
) -> Result<Vec<OptionSet>, Refused> {
    let mut outcomes = vec![OptionSet::Done; changes.len()];
    let mut by_home: BTreeMap<u16, Vec<(usize, PreferenceChange)>> = BTreeMap::new();
    for (at, change) in changes.into_iter().enumerate() {
        by_home.entry(core.part(change.whose())).or_default().push((at, change));
    }
    for (places, changes) in by_home.into_values().map(|of_one| of_one.into_iter().unzip()) {
        let (places, changes): (Vec<usize>, Vec<PreferenceChange>) = (places, changes);
        let set = core.at_home(SetOptions { changes }).await?;
        for (at, outcome) in places.into_iter().zip(set) {
            outcomes[at] = outcome;
        }
    }
    Ok(outcomes)
}

/// At home.
pub(super) async fn run(
    core: &Rc<Core>,
    changes: Vec<PreferenceChange>,
) -> Result<Vec<OptionSet>, Refused> {
    let mut held = core.unwanted.places();
    let mut outcomes = Vec::with_capacity(changes.len());
    let mut stored = Vec::with_capacity(changes.len());
    for change in changes {
        let fits = !core.takes_place(&change) || core.unwanted.hold(&mut held);
        outcomes.push(if fits { OptionSet::Done } else { OptionSet::Crowded });
        if fits {
            stored.push(change);
        } else {
            core.metrics.unwanted_refused.add(1);
        }
    }
    if !stored.is_empty() {
        let fits = core.change(stored).await?;
        let done = outcomes.iter_mut().filter(|outcome| **outcome == OptionSet::Done);
        for (outcome, _) in done.zip(fits).filter(|(_, fits)| !fits) {
            *outcome = OptionSet::Full;
        }
    }
    Ok(outcomes)
}
