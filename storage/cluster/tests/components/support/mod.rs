//! Where the real components are that these tests are run against.

pub(crate) mod elsewhere;
pub(crate) mod mysql;

use std::path::Path;

pub(crate) use openim_cluster::testing::component;
use openim_storage::conformance::{Backend, Logs};
use openim_storage::embedded::{self, Embedded};

/// The embedded engine in a directory, for all ports that are not under test.
pub(crate) fn rest(directory: &Path) -> Backend {
    let options = embedded::Options {
        segment_bytes: 16 * 1024,
        reserve_bytes: 0,
        ..embedded::Options::default()
    };
    let opened = embedded::open(directory, &options).expect("the engine opens");
    let Embedded { log, tail, history, archive, directory, tokens, .. } = opened;
    let (relations, groups, preferences) = (opened.relations, opened.groups, opened.preferences);
    let (log, records) = (Logs::new(Box::new(log), Box::new(tail)), history.clone());
    Backend { log, history, records, archive, directory, tokens, relations, groups, preferences }
}
