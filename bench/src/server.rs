//! The server, or a role of a cluster, as a process of its own: started on free ports, found by what it prints, killed at
//! the end.
//!
//! In: the program and a data directory. Out: addresses, the process id, how long the start took.
//! Never: touches a process it did not start.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Setup {
    program: PathBuf,
    args: Vec<String>,
    dir: PathBuf,
    env: Vec<(String, String)>,
}

/// The server under measurement; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    ws: String,
    rest: String,
    operator: String,
    to_ready: Duration,
}

impl Setup {
    /// `program serve --data-dir data`, run in the folder `dir`, on free loopback ports.
    #[must_use]
    pub fn new(program: &Path, dir: &Path) -> Self {
        let args = ["serve", "--data-dir", "data"].map(str::to_owned).to_vec();
        let env = [
            ("OPENIM_SERVERIP", "127.0.0.1"),
            ("OPENIM_API_OPENIMAPIPORT", "0"),
            ("OPENIM_LONGCONNSVR_WEBSOCKETPORT", "0"),
            ("OPENIM_ADMIN_LISTEN", "127.0.0.1:0"),
            ("OPENIM_LOG_LEVEL", "warn"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { program: program.to_owned(), args, dir: dir.to_owned(), env }
    }

    /// With other words behind the program's name.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().map(|&arg| arg.to_owned()).collect();
        self
    }

    /// With more settings from the environment.
    #[must_use]
    pub fn envs(mut self, env: &[(String, String)]) -> Self {
        self.env.extend_from_slice(env);
        self
    }

    /// With one more setting from the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command, as one would type it in the folder.
    #[must_use]
    pub fn command_line(&self) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        let env = self.env.iter().map(|(name, value)| format!("{name}={value} "));
        format!("{}{name} {}", env.collect::<String>(), self.args.join(" "))
    }

    /// Starts the server and waits until it says `ready`.
    ///
    /// # Errors
    /// When it ends before; what it said stands on standard error.
    pub fn start(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        let began = Instant::now();
        let child = command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        // From here on dropping it kills the process.
        let [ws, rest, operator] = Default::default();
        let mut server = Server { child, ws, rest, operator, to_ready: Duration::ZERO };
        server.wait_until_ready(began)?;
        Ok(server)
    }
}

/// A variable that would change the server's settings.
fn is_setting(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("OPENIM_")
}

impl Server {
    fn wait_until_ready(&mut self, began: Instant) -> anyhow::Result<()> {
        let stdout = self.child.stdout.take().context("standard output was piped")?;
        let mut said = Vec::new();
        let mut lines = BufReader::new(stdout).lines();
        for line in &mut lines {
            let line = line.context("reading what the server prints")?;
            if line.trim() == "ready" {
                self.to_ready = began.elapsed();
                break;
            }
            said.push(line);
        }
        if self.to_ready.is_zero() {
            let status = self.child.wait().context("waiting for the server")?;
            bail!("the server ended before it was ready ({status}): {}", said.join(" | "));
        }
        // Somebody must read on, or a server that prints more would block.
        std::thread::spawn(move || lines.for_each(drop));
        self.ws = address(&said, "websocket").unwrap_or_default();
        self.rest = address(&said, "rest").unwrap_or_default();
        self.operator = address(&said, "operator").unwrap_or_default();
        Ok(())
    }

    /// The websocket's URL; empty where this process has none.
    #[must_use]
    pub fn ws(&self) -> &str {
        &self.ws
    }

    /// REST's URL; empty where this process has none.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// The operators' URL.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// From just before the process was made to its line `ready`.
    #[must_use]
    pub const fn to_ready(&self) -> Duration {
        self.to_ready
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process as a power cut would (`kill -9`) and waits until it is gone.
    pub fn kill(&mut self) {
        // Already gone is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Behind `label`; a process that was told to listen and cannot has ended before.
fn address(said: &[String], label: &str) -> Option<String> {
    let mut lines = said.iter();
    let found =
        lines.find_map(|line| line.trim_start().strip_prefix(label)?.split_whitespace().next());
    found.map(str::to_owned)
}

/// A program of this workspace, built by the release profile as if alone. Cargo is called to bring it up
/// to date.
///
/// # Errors
/// When it cannot be built.
pub fn release_binary(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    Ok(release(package, &["--bin", name])?.join(name))
}

/// The same with Cargo features, kept as `name-features`: what is built without them has the plain name.
///
/// # Errors
/// When it cannot be built, or not be copied.
pub fn release_binary_with(package: &str, name: &str, features: &str) -> anyhow::Result<PathBuf> {
    let folder = release(package, &["--bin", name, "--features", features])?;
    let kept = folder.join(format!("{name}-{features}"));
    // Of another name first: the program of that name may run.
    let fresh = folder.join(format!("{name}-{features}.new"));
    std::fs::copy(folder.join(name), &fresh).context("cannot copy the program")?;
    std::fs::rename(&fresh, &kept).context("cannot name the program")?;
    Ok(kept)
}

/// An example of this workspace; see [`release_binary`].
///
/// # Errors
/// When it cannot be built.
pub fn release_example(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    Ok(release(package, &["--example", name])?.join("examples").join(name))
}

/// Builds a target and gives the folder of the profile, the one in which this program lies.
fn release(package: &str, what: &[&str]) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    // target/release/NAME, or target/release/deps/NAME-HASH of a bench.
    let profile = own
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "release"))
        .context("this program must be built by the release profile")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--locked", "--package", package])
        .args(what)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", profile.parent().context("the target folder")?)
        .status()
        .context("cannot run cargo")?;
    if !built.success() {
        bail!("cargo build of {} failed: {built}", what.join(" "));
    }
    Ok(profile.to_owned())
}
