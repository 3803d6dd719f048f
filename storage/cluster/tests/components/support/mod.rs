//! Where the real components are that these tests are run against.

pub(crate) mod elsewhere;
pub(crate) mod mysql;
pub(crate) mod own;

use std::path::Path;

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

/// The address in an `OPENIM_TEST_` variable. `None`, after saying what is left out, where there is none.
///
/// # Panics
/// In CI, where nothing is left out.
pub(crate) fn component(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        let missing =
            format!("{variable} is not set: `scripts/components up` starts what it names");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        println!("!!! LEFT OUT: {test}: {missing}");
    }
    address
}
