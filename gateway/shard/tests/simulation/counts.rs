//! How often what happened: a simulation in which something never happens proves nothing about it.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub(crate) fn note(&mut self, what: &str) {
        self.note_many(what, 1);
    }

    pub(crate) fn note_many(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.note_many(&what, times);
        }
    }

    /// What has happened is `all`, if there were seeds enough for it, and nothing else: a name that is misspelt, here
    /// or there, is one of the two.
    pub(crate) fn assert_all_seen(&self, all: &[&str], seeds: u64) {
        for seen in self.0.keys() {
            assert!(all.contains(&seen.as_str()), "nobody asks whether a seed had: {seen}");
        }
        for what in all.iter().filter(|_| seeds >= 200) {
            assert!(self.0.get(*what).is_some_and(|times| *times > 0), "no seed had: {what}");
        }
    }
}
