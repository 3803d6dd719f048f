//! What waits for a link is what its outbox holds and what TLS owes to the system: the console shows both, as the metric does.

use std::time::{Duration, Instant};

use crate::limits::metric::sum;
use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::raw::RawLink;
use crate::support::server::Setup;

#[test]
fn the_console_shows_what_the_metric_counts() {
    if embedded_only("a cluster has no console") {
        return;
    }
    let server = Setup::new()
        .with_tls()
        .set("OPENIM_LIMITS_OUTBOXBYTESMAX", 16 << 20)
        .set("OPENIM_LIMITS_WRITESTALLSECONDS", 600)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let operator = server.console();
    let mut sender = server.newcomer("sender");
    let slow = server.register("slow", IOS);
    let stuck = RawLink::open_narrow(server.ws(), &slow);
    let content = "x".repeat(48 * 1024);
    let mut sent = 0;
    while sum(&server, "openim_outbox_bytes") < 64 * 1024 {
        sender.say("slow", &format!("m{sent}"), &content);
        sent += 1;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = operator.sees("user?uid=slow");
        let (shown, counted) =
            (seen["links"][0]["waiting"].as_u64(), sum(&server, "openim_outbox_bytes"));
        if shown == Some(counted) && counted > 0 {
            break;
        }
        assert!(Instant::now() < until, "{shown:?} and {counted}");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(stuck);
}
