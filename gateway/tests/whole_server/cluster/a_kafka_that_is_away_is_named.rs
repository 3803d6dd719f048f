//! A gateway that nobody sends by says that Kafka is away, and that it is there again.

use openim_cluster::testing::Own;

use crate::support::cluster::clustered;
use crate::support::server::Setup;

#[test]
fn a_kafka_that_is_away_is_named_before_anybody_sends() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let Some(kafka) = Own::up("kafka") else { return };
    let address = kafka.address();
    let setup = setup
        .set("OPENIM_KAFKA_WS2MSCHAT_ADDR", &address)
        .set("OPENIM_KAFKA_MS2PSCHAT_ADDR", &address)
        .allow("the topics take no messages");
    let server = setup.role("gateway").start();
    server.becomes(200);

    let stalled = kafka.stalled();
    let why = server.becomes(503);
    let line = format!("messages cannot be stored: asking Kafka at {address}: ");
    assert!(why.contains(&line), "{why}");
    drop(stalled);
    server.becomes(200);

    kafka.kill();
    let why = server.becomes(503);
    assert!(why.contains(&line), "{why}");
    kafka.start_again();
    server.becomes(200);
}
