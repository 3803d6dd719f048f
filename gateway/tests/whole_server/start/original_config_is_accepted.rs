//! Files of every generation of the original start the server: what means nothing any more is named in one
//! warning.

use std::path::Path;

use crate::support::server::Setup;

/// Starts with the file of a generation, and signs somebody in.
fn starts_with(generation: &str) {
    // Its ports and its log folder beside the program are not for a test.
    let setup = Setup::new().allow("WARN").set("OPENIM_LOG_STORAGELOCATION", "");
    let name = format!("../config/tests/fixtures/original-{generation}.yaml");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let server = setup.arg("--config").arg(&file).start();
    server.logged(&["rpcport", "rpcregistername", "modulename"]);
    server.logged(&["websocketMaxMsgLen", "65536"]);
    let log = server.log();
    assert_eq!(log.iter().filter(|line| line.contains("rpcregistername")).count(), 1, "{log:#?}");
    server.newcomer("alice").close();
}

macro_rules! generations {
    ($($test:ident: $generation:literal,)*) => { $(
        #[test]
        fn $test() {
            starts_with($generation);
        }
    )* };
}

generations! {
    it_starts_with_one_warning_about_what_means_nothing: "may-2021",
    a_file_of_31_may_starts: "may-31-2021",
    a_file_of_june_starts: "june-2021",
    a_file_of_v1_0_0_starts: "v1.0.0",
    a_file_of_v1_0_3_starts: "v1.0.3",
    a_file_of_v1_0_4_starts: "v1.0.4",
    a_file_of_v1_0_5_starts: "v1.0.5",
    a_file_of_v1_0_7_starts: "v1.0.7",
}
