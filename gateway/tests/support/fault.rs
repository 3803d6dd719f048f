//! A disk that fails when told (`fault.c`, preloaded into the server).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::server::Setup;

/// What makes the calls of a server on some of its files fail.
pub(crate) struct Fault {
    told: PathBuf,
}

impl Fault {
    /// Builds the library with the system's C compiler and has `setup` start the server with it.
    pub(crate) fn prepare(setup: Setup) -> (Setup, Fault) {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fault.c");
        let (library, told) = (setup.path("fault.so"), setup.path("fault"));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .status()
            .expect("a C compiler");
        assert!(built.success(), "{source} is not built: {built}");
        let setup = setup.set("LD_PRELOAD", library.display()).set("FAULT_FILE", told.display());
        (setup, Fault { told })
    }

    /// From now on `call` ("write" or "sync") fails on files whose path contains `part`.
    pub(crate) fn begin(&self, call: &str, part: &str) {
        let draft = self.told.with_extension("draft");
        fs::write(&draft, format!("{call} {part}")).expect("our own file");
        fs::rename(draft, &self.told).expect("our own file");
    }

    /// Everything works again.
    pub(crate) fn end(&self) {
        fs::remove_file(&self.told).expect("our own file");
    }
}
