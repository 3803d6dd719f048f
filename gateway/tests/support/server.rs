//! Starts, watches, kills and restarts the real `openim` program.
//!
//! Owns the process, its data directory and its output. A WARN, ERROR or panic on its standard error that the test
//! did not allow fails the test when the server goes out of scope.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[cfg(feature = "cluster")]
use super::cluster::{Cluster, clustered};
use super::engine::{PARTITIONS, on_cluster, until_shared_out};
use super::tls::{Bridge, Tls};
use super::{ACCESS_SECRET, PATIENCE, SECRET};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_openim");

/// How to start a server: environment, arguments, and which complaints on its log are expected.
#[derive(Clone)]
pub(crate) struct Setup {
    env: BTreeMap<String, String>,
    args: Vec<String>,
    allowed: Vec<String>,
    open_files: Option<u64>,
    role: Option<&'static str>,
    standby_of: Option<String>,
    strange_variables: bool,
    pub(super) tls: Option<Tls>,
    dir: Arc<TempDir>,
    data_dir: PathBuf,
    #[cfg(feature = "cluster")]
    cluster: Option<Arc<Cluster>>,
}

impl Setup {
    /// Free loopback ports, two unpinned shards, known secrets, an empty data directory.
    pub(crate) fn new() -> Setup {
        let dir = Arc::new(TempDir::new().expect("a temporary directory"));
        let data_dir = dir.path().join("data");
        let setup = Setup {
            env: BTreeMap::new(),
            args: Vec::new(),
            allowed: Vec::new(),
            open_files: None,
            role: None,
            standby_of: None,
            strange_variables: false,
            tls: None,
            dir,
            data_dir,
            #[cfg(feature = "cluster")]
            cluster: None,
        };
        let setup = setup
            .set("OPENIM_SERVERIP", "127.0.0.1")
            .set("OPENIM_LONGCONNSVR_WEBSOCKETPORT", "0")
            .set("OPENIM_API_OPENIMAPIPORT", "0")
            .set("OPENIM_ADMIN_LISTEN", "127.0.0.1:0")
            .set("OPENIM_GATEWAY_SHARDS", "2")
            .set("OPENIM_GATEWAY_PIN", "false")
            .set("OPENIM_GATEWAY_LAMEDUCKSECONDS", "0")
            .set("OPENIM_SECRET", SECRET)
            .set("OPENIM_TOKENPOLICY_ACCESSSECRET", ACCESS_SECRET);
        let with_tls = std::env::var_os("OPENIM_TEST_TLS").is_some_and(|on| on == "1");
        let setup = if with_tls { setup.with_tls() } else { setup };
        if on_cluster() { setup.on_components() } else { setup }
    }

    /// Of a run whose servers are of the cluster engine.
    #[cfg(feature = "cluster")]
    fn on_components(self) -> Setup {
        clustered(self).expect("OPENIM_TEST_ENGINE=cluster needs the components, see above")
    }

    #[cfg(not(feature = "cluster"))]
    fn on_components(self) -> Setup {
        panic!("OPENIM_TEST_ENGINE=cluster needs `--features cluster`");
    }

    /// Keeps what a cluster has in the components until nobody can start the server again.
    #[cfg(feature = "cluster")]
    pub(crate) fn keep(mut self, cluster: Arc<Cluster>) -> Setup {
        self.cluster = Some(cluster);
        self
    }

    /// What its cluster keeps.
    #[cfg(feature = "cluster")]
    pub(crate) fn kept(&self) -> Arc<Cluster> {
        Arc::clone(self.cluster.as_ref().expect("it is of a cluster"))
    }

    /// Sets one configuration key by its environment variable.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Setup {
        self.env.insert(key.to_owned(), value.to_string());
        self
    }

    /// What a configuration key was set to.
    #[cfg(feature = "cluster")]
    pub(crate) fn setting(&self, key: &str) -> &str {
        &self.env[key]
    }

    /// Leaves one configuration key at its default.
    pub(crate) fn unset(mut self, key: &str) -> Setup {
        self.env.remove(key);
        self
    }

    /// Appends command-line arguments after `serve --data-dir DIR`.
    pub(crate) fn arg(mut self, arg: impl AsRef<Path>) -> Setup {
        self.args.push(arg.as_ref().to_str().expect("an argument in UTF-8").to_owned());
        self
    }

    /// Expects complaints that contain `text`.
    pub(crate) fn allow(mut self, text: &str) -> Setup {
        self.allowed.push(text.to_owned());
        self
    }

    /// Gives the server no more than so many open files.
    pub(crate) fn open_files(mut self, files_max: u64) -> Setup {
        self.open_files = Some(files_max);
        self
    }

    /// Hands on what the test has of variables with the prefix of settings that set nothing.
    pub(crate) fn strange_variables(mut self) -> Setup {
        self.strange_variables = true;
        self
    }

    /// Runs one role of a cluster instead of `serve`.
    #[cfg(feature = "cluster")]
    pub(crate) fn role(mut self, role: &'static str) -> Setup {
        self.role = Some(role);
        self
    }

    /// Follows this server instead of `serve`.
    pub(crate) fn standby_of(self, server: &Server) -> Setup {
        self.standby_at(server.operator())
    }

    /// Follows whoever has this operators' port.
    pub(crate) fn standby_at(self, operator: SocketAddr) -> Setup {
        self.standby_by(format!("http://{operator}"))
    }

    /// Follows whoever is at this address.
    pub(crate) fn standby_by(mut self, url: String) -> Setup {
        self.standby_of = Some(url);
        self
    }

    /// Serves, whatever it was.
    pub(crate) fn serving(mut self) -> Setup {
        self.standby_of = None;
        self
    }

    /// Another setup of the same.
    pub(crate) fn change(self, change: impl FnOnce(Setup) -> Setup) -> Setup {
        change(self)
    }

    /// Uses the data directory of another setup.
    pub(crate) fn data_dir(mut self, data_dir: &Path) -> Setup {
        self.data_dir = data_dir.to_owned();
        self
    }

    /// A path inside the test's own directory, beside the data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What starts the server, for who looks after its output by hand.
    pub(crate) fn command(&self) -> Command {
        let mut command = match self.open_files {
            None => Command::new(PROGRAM),
            Some(files_max) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {files_max}; exec \"$0\" \"$@\""), PROGRAM]);
                shell
            }
        };
        // A whole run may be of servers whose stores answer for homes.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key != "OPENIM_TEST_HOMES") {
            let name = key.to_string_lossy();
            let kept = self.strange_variables && is_strange(&name);
            if name.starts_with("OPENIM_") && !kept {
                command.env_remove(&key);
            }
        }
        match (self.role, &self.standby_of) {
            (None, None) => command.arg("serve").arg("--data-dir").arg(&self.data_dir),
            (None, Some(of)) => {
                command.args(["standby", "--of", of, "--data-dir"]).arg(&self.data_dir)
            }
            (Some(role), _) => command.arg(role),
        };
        command.args(&self.args).envs(&self.env).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Starts the server and waits until it says `ready`.
    pub(crate) fn start(self) -> Server {
        let process = Process::spawn(&self).until_ready(&self);
        Server { setup: self, process }
    }

    /// Starts the server and kills it after some time, wherever it is then.
    pub(crate) fn killed_after(self, time: Duration) {
        let mut process = Process::spawn(&self);
        thread::sleep(time);
        process.kill();
        process.join_stderr();
        let refusals = process.stderr_lines();
        let refused = refusals.iter().find(|line| line.contains("openim: "));
        assert!(refused.is_none(), "it did not start: {refused:?}");
    }

    /// Starts a server that must refuse to start, and returns what it said.
    pub(crate) fn refused(self) -> Refusal {
        Process::spawn(&self).refused()
    }

    /// Starts a server that may refuse to start.
    pub(crate) fn started_or_refused(self) -> Result<Server, Refusal> {
        let mut process = Process::spawn(&self);
        match process.ready() {
            Ok(()) => Ok(Server { process, setup: self }),
            Err(_) => Err(process.refused()),
        }
    }
}

/// Neither a setting, which may be one of whoever runs the tests, nor what steers tests.
fn is_strange(name: &str) -> bool {
    let steers = ["OPENIM_TEST_", "OPENIM_CRASH_"].iter().any(|prefix| name.starts_with(prefix));
    !steers && !openim_config::variables().iter().any(|(_, variable)| variable == name)
}

/// Why a server did not start.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Refusal {
    /// Checks that the refusal is one line with all of `needles`, and that the exit code says failure.
    #[track_caller]
    pub(crate) fn assert_one_line_with(&self, needles: &[&str]) {
        assert!(
            self.status.code().is_some_and(|code| code != 0),
            "exit code must be a failure: {self:?}"
        );
        assert!(!self.stdout.iter().any(|line| line.starts_with("ready")), "{self:?}");
        let lines: Vec<&String> = self
            .stderr
            .iter()
            .filter(|line| !line.trim().is_empty() && !line.contains("INFO"))
            // Of the components that a run on a cluster is given.
            .filter(|line| !line.contains("has one replica"))
            .collect();
        assert_eq!(lines.len(), 1, "one clear line is wanted: {self:#?}");
        for needle in needles {
            assert!(lines[0].contains(needle), "the line should name {needle:?}: {}", lines[0]);
        }
    }
}

/// A running server.
pub(crate) struct Server {
    setup: Setup,
    process: Process,
}

impl Server {
    /// A server with the default test setup.
    pub(crate) fn start() -> Server {
        Setup::new().start()
    }

    /// Where clients that speak plain find the websocket.
    pub(crate) fn ws(&self) -> SocketAddr {
        self.process.reached("websocket")
    }

    /// Where clients that speak plain find REST.
    pub(crate) fn rest(&self) -> SocketAddr {
        self.process.reached("rest")
    }

    /// The ports of websocket and REST themselves.
    pub(crate) fn ports(&self) -> [SocketAddr; 2] {
        ["websocket", "rest"].map(|label| self.process.address(label))
    }

    /// What it was started with.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn operator(&self) -> SocketAddr {
        self.process.address("operator")
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.setup.data_dir
    }

    /// Everything printed on standard output before and with `ready`.
    pub(crate) fn banner(&self) -> &[String] {
        &self.process.banner
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The first line of output that contains `needle`, be it printed before or after `ready`.
    #[track_caller]
    pub(crate) fn line_with(&self, needle: &str) -> String {
        if let Some(line) = self.process.banner.iter().find(|line| line.contains(needle)) {
            return line.clone();
        }
        while let Ok(line) = self.process.stdout.recv_timeout(PATIENCE) {
            if line.contains(needle) {
                return line;
            }
        }
        panic!("no line with {needle:?}");
    }

    /// The first log line with all of `needles`, waiting for it if it is still on its way.
    #[track_caller]
    pub(crate) fn logged(&self, needles: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.log();
            if let Some(line) =
                lines.iter().find(|line| needles.iter().all(|needle| line.contains(needle)))
            {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "no line with {needles:?} in {lines:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The log lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.stderr_lines()
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
        self.process.join_stderr();
    }

    /// Asks the process to drain (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.child.id().to_string();
        let status =
            Command::new("kill").args(["-s", name, &pid]).status().expect("the kill command");
        assert!(status.success(), "kill -s {name} {pid}: {status}");
    }

    /// Has a standby serve (`openim promote`), and waits until it does; what it says.
    #[track_caller]
    pub(crate) fn promote(&mut self) -> String {
        self.promote_with(&[])
    }

    /// Like [`Server::promote`], with more arguments.
    #[track_caller]
    pub(crate) fn promote_with(&mut self, more: &[&str]) -> String {
        let mut promote = Command::new(PROGRAM);
        promote.arg("promote").args(more).arg("--data-dir").arg(self.data_dir());
        let told = promote.output().expect("the program starts");
        assert!(told.status.success(), "{told:?}");
        self.process.banner.clear();
        self.process.ready().expect("it serves");
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        self.process.wait(PATIENCE).expect("the server should have exited")
    }

    /// Whether the process ends by itself within `patience`.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> bool {
        self.process.wait(patience).is_some()
    }

    /// Kills the process and returns what starts it again on the same data.
    pub(crate) fn into_setup(mut self) -> Setup {
        self.kill();
        self.setup.clone()
    }

    /// Kills the process if it still runs and starts it again on the same data. Ports may change.
    pub(crate) fn restart(&mut self) {
        self.restart_with(|setup| setup);
    }

    /// Like [`Server::restart`], with another setup.
    pub(crate) fn restart_with(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.kill();
        self.check_log();
        self.setup = change(self.setup.clone());
        self.process = Process::spawn(&self.setup).until_ready(&self.setup);
    }

    fn check_log(&self) {
        let unexpected: Vec<String> = self
            .process
            .stderr_lines()
            .into_iter()
            .filter(|line| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word)))
            .filter(|line| !self.setup.allowed.iter().any(|text| line.contains(text)))
            .collect();
        assert!(
            unexpected.is_empty(),
            "unexpected complaints on the server's log: {unexpected:#?}"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let lines = self.process.stderr_lines();
            let from = lines.len().saturating_sub(60);
            eprintln!("--- the server's log, last lines ---\n{}", lines[from..].join("\n"));
        } else {
            self.check_log();
        }
    }
}

/// One life of the program.
struct Process {
    child: Child,
    banner: Vec<String>,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<Vec<String>>>,
    stderr_reader: Option<JoinHandle<()>>,
    /// To what has TLS, by label.
    bridges: Vec<(&'static str, Bridge)>,
}

impl Process {
    fn spawn(setup: &Setup) -> Process {
        let mut child = setup
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (lines, stdout) = mpsc::channel();
        let output = child.stdout.take().expect("piped above");
        thread::spawn(move || for_each_line(output, |line| drop(lines.send(line))));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let errors = child.stderr.take().expect("piped above");
        let sink = Arc::clone(&stderr);
        let stderr_reader = Some(thread::spawn(move || {
            for_each_line(errors, |line| sink.lock().expect("no reader panics").push(line));
        }));
        Process { child, banner: Vec::new(), stdout, stderr, stderr_reader, bridges: Vec::new() }
    }

    fn until_ready(mut self, setup: &Setup) -> Process {
        if let Err(cause) = self.ready() {
            self.kill();
            self.join_stderr();
            let (said, log) = (&self.banner, self.stderr_lines());
            panic!("the server did not get ready ({cause}): {said:#?} {log:#?}");
        }
        if let Some(tls) = &setup.tls {
            // A role may have one of them.
            let is_there =
                |label: &str| self.banner.iter().any(|line| line.trim().starts_with(label));
            let labels = ["websocket", "rest"].into_iter().filter(|label| is_there(label));
            self.bridges = labels.map(|label| (label, tls.bridge(self.address(label)))).collect();
        }
        if on_cluster() && setup.role.is_none() {
            // A chat and a group partition of each number.
            let labels = ["websocket", "rest", "operator"];
            until_shared_out(labels.map(|label| self.reached(label)), 2.0 * PARTITIONS);
        }
        self
    }

    fn ready(&mut self) -> Result<(), RecvTimeoutError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.stdout.recv_timeout(left)?;
            let ready =
                ["ready", "following"].iter().any(|word| line.trim_start().starts_with(word));
            self.banner.push(line);
            if ready {
                return Ok(());
            }
        }
    }

    fn refused(mut self) -> Refusal {
        let status = self.wait(PATIENCE);
        let mut stdout = std::mem::take(&mut self.banner);
        stdout.extend(self.stdout.try_iter());
        let Some(status) = status else {
            self.kill();
            panic!("the server should have refused to start; it printed {stdout:#?}");
        };
        self.join_stderr();
        Refusal { status, stdout, stderr: self.stderr_lines() }
    }

    fn reached(&self, label: &str) -> SocketAddr {
        let bridge = self.bridges.iter().find(|(to, _)| *to == label);
        bridge.map_or_else(|| self.address(label), |(_, bridge)| bridge.address)
    }

    fn address(&self, label: &str) -> SocketAddr {
        let line = self
            .banner
            .iter()
            .find(|line| line.trim_start().starts_with(label))
            .unwrap_or_else(|| panic!("no {label} address in {:#?}", self.banner));
        let url = line.split_whitespace().last().expect("found by a non-empty label");
        let host = url.split("://").last().expect("split yields at least one part");
        host.trim_end_matches('/')
            .parse()
            .unwrap_or_else(|_| panic!("no socket address in {line:?}"))
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        // Already gone is as good as killed.
        self.child.kill().ok();
        self.child.wait().expect("our own child");
    }

    fn join_stderr(&mut self) {
        if let Some(reader) = self.stderr_reader.take() {
            reader.join().expect("the log reader never panics");
        }
    }

    fn stderr_lines(&self) -> Vec<String> {
        self.stderr.lock().expect("no reader panics").clone()
    }
}

fn for_each_line(from: impl Read, mut take: impl FnMut(String)) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        take(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}
