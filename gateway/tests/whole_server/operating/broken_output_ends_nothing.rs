//! A standard output or standard error that is closed or full ends neither the server nor a command badly.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::server::{PROGRAM, Server, Setup};

/// What the output of a process goes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    /// A pipe that nobody reads any more.
    Left,
    /// A device that is full.
    Full,
}

impl Broken {
    fn end(self) -> Stdio {
        match self {
            Broken::Full => full().into(),
            Broken::Left => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                writer.into()
            }
        }
    }
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}

/// The first line with `needle` in the only log file of the folder.
fn line_in(folder: &Path, needle: &str, child: &mut Child) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files = fs::read_dir(folder).into_iter().flatten();
        let text: String = files
            .map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"))
            .collect();
        if let Some(line) = text.lines().find(|line| line.contains(needle)) {
            return serde_json::from_str(line).expect("JSON");
        }
        assert!(Instant::now() < deadline, "no {needle} in {text}");
        assert_eq!(child.try_wait().expect("our own child"), None, "it ended: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end_of(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("our own child").is_none() {
        assert!(Instant::now() < deadline, "it should have ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait().expect("our own child")
}

#[test]
fn a_server_starts_serves_and_stops() {
    for broken in [Broken::Left, Broken::Full] {
        let setup = Setup::new().set("OPENIM_LOG_FORMAT", "json").set("OPENIM_LOG_LEVEL", "debug");
        let logs = setup.path("logs");
        let setup = setup.set("OPENIM_LOG_STORAGELOCATION", logs.display());
        let mut command = setup.command();
        let mut child =
            command.stdout(broken.end()).stderr(broken.end()).spawn().expect("the program starts");
        let ready = line_in(&logs, "\"ready\"", &mut child);
        let operator = ready["operator"][0].as_str().expect("an address");
        let operator = operator.trim_start_matches("http://").parse().expect("an address");
        assert_eq!(call(operator, "GET", "/readyz", &[], b"").status, 200, "{broken:?}");
        let kill = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
        assert!(kill.success());
        assert_eq!(end_of(child).code(), Some(0), "{broken:?}");
    }
}

#[test]
fn a_start_that_is_refused_keeps_its_exit_code() {
    for broken in [Broken::Left, Broken::Full] {
        let setup = Setup::new().set("OPENIM_GATEWAY_SHRADS", 2);
        let mut command = setup.command();
        let child =
            command.stdout(broken.end()).stderr(broken.end()).spawn().expect("the program starts");
        assert_eq!(end_of(child).code(), Some(1), "{broken:?}");
    }
}

#[test]
fn results_that_cannot_be_written_are_a_failure_and_a_reader_that_left_is_none() {
    for arg in ["--help", "--version"] {
        for (broken, code) in [(Broken::Left, 0), (Broken::Full, 1)] {
            let mut command = Command::new(PROGRAM);
            let output = command.arg(arg).stdout(broken.end()).stderr(Stdio::piped()).output();
            let output = output.expect("the program runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{arg} {broken:?}: {said}");
            let lines = if broken == Broken::Left { 0 } else { 1 };
            assert_eq!(said.lines().count(), lines, "{arg} {broken:?}: {said}");
        }
    }
}

#[test]
fn an_archive_stops_quietly_when_its_reader_has_seen_enough() {
    if embedded_only("it prints the archive of a data directory") {
        return;
    }
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    let long = "x".repeat(20_000);
    // More than any pipe holds.
    for n in 0..20 {
        let mut data = crate::support::link::message("bob", &format!("m{n}"), &long);
        data["platformID"] = 1.into();
        alice.say_data(&data);
    }
    server.kill();
    let archive = |stdout: Stdio| {
        let mut command = Command::new(PROGRAM);
        command.arg("archive").arg("--data-dir").arg(server.data_dir());
        command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let mut child = archive(Stdio::piped());
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut first).expect("a line");
    assert!(first.contains("\"m0\""), "{first}");
    drop(reader);
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!((end_of(child).code(), said.as_str()), (Some(0), ""));
    let output = archive(full().into()).wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("standard output") && said.lines().count() == 1, "{said}");
}
