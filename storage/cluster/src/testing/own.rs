//! A component of a test's own, for what would disturb the others: it is stopped, killed and started again.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::component;

/// Ends with the value, and its data with it.
#[derive(Debug)]
pub struct Own {
    name: &'static str,
    folder: TempDir,
}

impl Own {
    /// Starts one; `None` where its tests are left out.
    ///
    /// # Panics
    /// It does not start, though the components of the other tests did.
    #[must_use]
    pub fn up(name: &'static str) -> Option<Self> {
        component(&format!("OPENIM_TEST_{}", name.to_ascii_uppercase()))?;
        let own = Self { name, folder: tempfile::tempdir().expect("a folder") };
        own.run(&["up", name]);
        Some(own)
    }

    /// Which it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is, in the form of its `OPENIM_TEST_` variable.
    ///
    /// # Panics
    /// It is down.
    #[must_use]
    pub fn address(&self) -> String {
        let told = self.run(&["env", self.name]);
        let address = told.split('\'').nth(1);
        address.unwrap_or_else(|| panic!("no address in {told:?}")).to_owned()
    }

    /// At once, as if the power went.
    ///
    /// # Panics
    /// It is down already.
    pub fn kill(&self) {
        self.run(&["kill", self.name]);
    }

    /// Where it was, with the same data.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        self.run(&["up", self.name]);
    }

    /// Stops it for some seconds; comes back when it continues.
    ///
    /// # Panics
    /// It is down.
    pub fn stall(&self, seconds: f32) {
        self.run(&["stall", &seconds.to_string(), self.name]);
    }

    /// Stops it until the value goes.
    ///
    /// # Panics
    /// It is down.
    #[must_use]
    pub fn stalled(&self) -> Stalled<'_> {
        let mut command = self.command(&["stall", "600", self.name]);
        let mut stalling = command.stdout(Stdio::piped()).spawn().expect("python3 runs");
        let told = BufReader::new(stalling.stdout.take().expect("it is piped")).lines().next();
        assert!(matches!(told, Some(Ok(_))), "{} is not stopped", self.name);
        Stalled { own: self, stalling }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("python3 runs");
        let [said, why] = [output.stdout, output.stderr].map(String::from_utf8);
        assert!(output.status.success(), "{arguments:?}: {said:?} {why:?}");
        said.expect("text")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/components");
        let mut command = Command::new(script);
        command.args(arguments).env("OPENIM_COMPONENTS_DIR", self.folder.path());
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let ended = self.command(&["down", self.name]).output();
        // A test that fails already says why.
        let well = ended.is_ok_and(|output| output.status.success());
        assert!(well || std::thread::panicking(), "{} stays behind", self.name);
    }
}

/// See [`Own::stalled`].
#[derive(Debug)]
pub struct Stalled<'a> {
    own: &'a Own,
    stalling: Child,
}

impl Drop for Stalled<'_> {
    fn drop(&mut self) {
        // Killed, it continues nothing; `up` does.
        drop(self.stalling.kill());
        drop(self.stalling.wait());
        self.own.start_again();
    }
}
