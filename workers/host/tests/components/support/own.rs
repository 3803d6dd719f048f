//! A component of a test's own, which it may kill.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Ends with the value.
pub(crate) struct Own {
    name: &'static str,
    folder: TempDir,
}

impl Own {
    /// Starts one.
    pub(crate) fn up(name: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = Self { name, folder };
        own.tell("up");
        own
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        let told = self.tell("env");
        let line = told.lines().find(|line| line.contains("OPENIM_TEST_")).expect("an address");
        let (_, address) = line.split_once('=').expect("a variable");
        address.trim_matches(['\'', '"']).to_owned()
    }

    /// At once, as if the power went.
    pub(crate) fn kill(&self) {
        self.tell("kill");
    }

    /// Starts it again where it was.
    pub(crate) fn up_again(&self) {
        self.tell("up");
    }

    fn tell(&self, what: &str) -> String {
        let output = Command::new(script())
            .args([what, self.name])
            .env("OPENIM_COMPONENTS_DIR", self.folder.path())
            .output()
            .expect("python3 runs");
        let (told, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{what} {}: {told}{error}", self.name);
        told.into_owned()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.tell("down");
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/components")
}
