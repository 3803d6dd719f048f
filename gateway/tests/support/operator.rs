//! What an operator, or a load balancer, asks, and commands beside a server.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::http::{Answer, call};
use super::server::{PROGRAM, Server};
use super::tls::Tls;
use super::{ACCESS_SECRET, SECRET};

impl Server {
    /// A command of the program with the settings of this server, and the ports that it has.
    pub(crate) fn beside(&self, name: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        let set = std::env::vars_os().map(|(key, _)| key);
        for key in set.filter(|key| key.to_string_lossy().starts_with("OPENIM_")) {
            command.env_remove(key);
        }
        let port = |address: SocketAddr| address.port().to_string();
        let [websocket, rest] = self.ports();
        if let Some(Tls { files, .. }) = &self.setup().tls {
            command.env("OPENIM_TLS_CERTFILE", &files.certificate);
            command.env("OPENIM_TLS_KEYFILE", &files.key);
        }
        command
            .arg(name)
            .arg("--data-dir")
            .arg(self.data_dir())
            .env("OPENIM_SERVERIP", "127.0.0.1")
            .env("OPENIM_LONGCONNSVR_WEBSOCKETPORT", port(websocket))
            .env("OPENIM_API_OPENIMAPIPORT", port(rest))
            .env("OPENIM_ADMIN_LISTEN", self.operator().to_string())
            .env("OPENIM_SECRET", SECRET)
            .env("OPENIM_TOKENPOLICY_ACCESSSECRET", ACCESS_SECRET)
            .stdin(Stdio::null());
        command
    }

    /// `/readyz`.
    pub(crate) fn ready(&self) -> Answer {
        call(self.operator(), "GET", "/readyz", &[], b"")
    }

    /// Waits until `/readyz` has this status, and gives what it says.
    #[track_caller]
    pub(crate) fn becomes(&self, status: u16) -> String {
        self.says(status, "")
    }

    /// Waits until `/readyz` has this status and says this among all that it says, which it gives.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, what: &str) -> String {
        self.readiness(&format!("{status} {what}"), |answer, text| {
            answer.status == status && text.contains(what)
        })
    }

    /// Waits until `/readyz` has nothing to complain of.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        self.readiness("ready alone", |_, text| text == "ready\n");
    }

    #[track_caller]
    fn readiness(&self, wanted: &str, is: impl Fn(&Answer, &str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ready();
            let text = answer.text();
            if is(&answer, &text) {
                return text;
            }
            let status = answer.status;
            assert!(Instant::now() < deadline, "{status} {text} instead of {wanted}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}
