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

    /// All of this has happened, if there were seeds enough for it.
    pub(crate) fn assert_all_seen(&self, all: &[&str], seeds: u64) {
        for what in all.iter().filter(|_| seeds >= 200) {
            assert!(self.0.keys().any(|seen| seen.starts_with(what)), "no seed had: {what}");
        }
    }
}
