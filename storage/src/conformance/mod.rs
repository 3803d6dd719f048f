//! The suites that every backend of a port runs: what the contracts say, checked from outside.
//!
//! A backend's test brings a [`Site`] factory and calls each suite; a suite panics where a contract
//! is broken. Nothing here knows an engine. In `tests/conformance.rs` the embedded engine runs all.

mod archive;
mod cut;
mod directory;
mod files;
mod groups;
mod groups_model;
mod history;
mod ids;
mod joining;
mod log;
mod logs;
mod messages;
mod model;
mod preferences;
mod random;
mod records;
mod relations;
mod relations_model;
mod rows;
mod ruling;
mod tokens;

use std::future::Future;
use std::sync::Arc;

pub use archive::archive;
pub use directory::directory;
pub use files::{copy, earlier_form, files};
pub use groups::groups;
pub use groups_model::groups_model;
pub use history::history;
pub use log::log;
pub use logs::{Logs, append, replay};
pub use messages::{Sample, encoded};
pub use model::model;
pub use preferences::{devices, preferences};
pub use records::records;
pub use relations::relations;
pub use relations_model::relations_model;
pub use rows::{group, user};
pub use tokens::tokens;

use crate::port::{
    Archive, Directory, Groups, History, Preferences, Records, Relations, Tokens, wait,
};

/// A place that holds the data of one backend, empty when made.
pub trait Site {
    /// Opens what is there. The suites drop one [`Backend`] before they open the next, as a
    /// restart does.
    fn open(&mut self) -> Backend;

    /// Whether its log is another process: with a clock of its own, an end that is a mistake to begin behind, and records
    /// that are read in their order alone.
    fn log_is_elsewhere(&self) -> bool {
        false
    }

    /// Whether its history stores a batch in one stroke.
    fn is_atomic(&self) -> bool {
        true
    }

    /// Opens what is there, to be killed: nothing is written any more behind so many writes of a store. `None`
    /// where [`Self::is_atomic`].
    fn open_cut(&mut self, _writes: usize) -> Option<Backend> {
        None
    }
}

/// The ports of one backend, open.
pub struct Backend {
    /// The log.
    pub log: Logs,
    /// History over that log.
    pub history: Arc<dyn History>,
    /// That log, read by place.
    pub records: Arc<dyn Records>,
    /// The archive over that log.
    pub archive: Arc<dyn Archive>,
    /// The directory.
    pub directory: Arc<dyn Directory>,
    /// Tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Relations.
    pub relations: Arc<dyn Relations>,
    /// Groups.
    pub groups: Arc<dyn Groups>,
    /// Preferences.
    pub preferences: Arc<dyn Preferences>,
}

/// Waits for the answer of a port where it is asked for.
pub trait Wait: Future + Sized {
    /// See [`wait`].
    fn wait(self) -> Self::Output {
        wait(self)
    }
}

impl<F: Future> Wait for F {}

/// Makes empty sites.
pub type Sites<'a> = &'a mut dyn FnMut() -> Box<dyn Site>;
