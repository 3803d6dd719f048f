//! `/healthz`, `/readyz` and `/metrics` on the operator address, and only there.

use crate::support::http::call;
use crate::support::server::Server;

#[test]
fn health_readiness_and_metrics() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    alice.say("bob", "m", "hello");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(server.operator(), "GET", path, &[], b"").status, 200, "{path}");
    }
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.header("content-type").is_some_and(|value| value.starts_with("text/plain")),
        "{metrics:?}"
    );
    let text = metrics.text();
    let samples: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(!samples.is_empty());
    for sample in samples {
        let (name, value) =
            sample.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {sample}"));
        assert!(name.starts_with("openim_") || name.starts_with("process_"), "{sample}");
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
    assert_eq!(call(server.operator(), "GET", "/nowhere", &[], b"").status, 404);
}
