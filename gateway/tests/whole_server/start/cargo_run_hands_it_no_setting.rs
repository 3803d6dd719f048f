//! `cargo run`, the first thing that the README says, hands the program more variables than the user's own.

use crate::support::server::Setup;

/// Cargo puts the same around a test: what it tells of the package, and what the build script said.
#[test]
fn the_variables_that_cargo_sets_are_no_faulty_settings() {
    let Some(revision) = std::env::var_os("BUILD_REVISION") else {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_none(), "the build script says no more");
        eprintln!("SKIPPED: not run by cargo, so what cargo sets was not tested");
        return;
    };
    assert_eq!(revision, openim_gateway::REVISION);
    drop(Setup::new().strange_variables().start());
}
