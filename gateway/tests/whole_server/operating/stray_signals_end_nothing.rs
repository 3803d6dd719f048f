//! Signals that carry no meaning for a server never end it; SIGHUP does not either, before and after `ready`.

use crate::support::http::call;
use crate::support::server::Setup;

#[test]
fn the_server_goes_on_with_its_links() {
    let server = Setup::new().start();
    let mut alice = server.newcomer("alice");
    for name in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "XFSZ", "PIPE", "HUP"] {
        server.signal(name);
        alice.say("bob", name, "still here");
        assert_eq!(call(server.operator(), "GET", "/healthz", &[], b"").status, 200, "{name}");
    }
    server.logged(&["SIGHUP", "settings are read again"]);
    assert_eq!(alice.newest(), 9);
}
