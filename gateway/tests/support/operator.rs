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
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ready();
            if answer.status == status {
                return answer.text();
            }
            assert!(Instant::now() < deadline, "{} {}", answer.status, answer.text());
            thread::sleep(Duration::from_millis(50));
        }
    }
}
