//! What an operator, or a load balancer, asks.

use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::http::{Answer, call};
use super::server::Server;

impl Server {
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
