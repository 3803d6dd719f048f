//! A service that does not answer costs those nothing who are there; its notices are given up after some tries.

use super::{Service, figure, no_push, telling, until};
use crate::support::http::call;
use crate::support::platform::IOS;

#[test]
fn who_is_there_gets_everything() {
    if no_push() {
        return;
    }
    let service = Service::start();
    service.stall(true);
    let server = telling(&service)
        .set("OPENIM_PUSH_WAITINGMAX", 16)
        .allow("offline push by webhook")
        .start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    server.register("away", IOS);
    let (mut ann, mut bob) = (server.connect(&ann), server.connect(&bob));
    for n in 0..100 {
        ann.say("away", &format!("a{n}"), "hello");
        ann.say("bob", &format!("b{n}"), &format!("hello {n}"));
        assert_eq!(bob.pushed()["content"], format!("hello {n}"));
    }
    assert_eq!(call(server.operator(), "GET", "/readyz", &[], b"").status, 200);
    // Each is tried five times, and more than may wait are not kept.
    until(|| {
        let gave_up = figure(&server, "openim_push_failed_total");
        gave_up > 0 && gave_up + figure(&server, "openim_push_full_total") >= 100
    });
    service.stall(false);
    ann.say("away", "last", "the last");
    until(|| service.notices().iter().any(|notice| notice["text"] == "the last"));
}
