//! Without an address of its own the server listens on all interfaces, by IPv4 and by IPv6, and one port is one port. Where
//! there is no IPv6 it listens by IPv4. The banner gives addresses that can be opened.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::support::http::call;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Setup;

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn clients_of_both_connect() {
    let server = Setup::new()
        .set("OPENIM_SERVERIP", "")
        .set("OPENIM_ADMIN_LISTEN", "[::]:0")
        .allow("admin.listen")
        .start();
    let alice = server.register("alice", IOS);
    let reach = if has_ipv6() { "all interfaces, IPv4 and IPv6:" } else { "all interfaces, IPv4:" };
    for label in ["websocket", "rest", "operator"] {
        let line = server.line_with(&format!("  {label} "));
        assert!(line.contains(reach) && line.contains("://127.0.0.1:"), "{line}");
    }
    let mut hosts = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    if has_ipv6() {
        hosts.push(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    }
    for host in hosts {
        let at = |known: SocketAddr| SocketAddr::new(host.ip(), known.port());
        let mut link = Link::open(at(server.ws()), &alice).expect("a link");
        assert_eq!(link.newest(), 0, "{host}");
        let body = op(serde_json::json!({"uidList": ["alice"]})).to_string();
        let answer = call(at(server.rest()), "POST", "/user/get_user_info", &[], body.as_bytes());
        assert_eq!(answer.json()["errCode"], 0, "{host}");
        assert_eq!(call(at(server.operator()), "GET", "/readyz", &[], b"").status, 200, "{host}");
    }
}

#[test]
fn one_family_can_be_chosen() {
    let server = Setup::new().set("OPENIM_SERVERIP", "0.0.0.0").start();
    server.newcomer("alice");
    let line = server.line_with("  rest ");
    assert!(line.contains("all interfaces, IPv4: http://127.0.0.1:"), "{line}");
    let by_ipv6 = SocketAddr::from((Ipv6Addr::LOCALHOST, server.rest().port()));
    assert!(std::net::TcpStream::connect(by_ipv6).is_err());
}

#[test]
fn an_address_of_ipv4_is_one_whatever_the_socket() {
    // The socket is one of IPv6, so that the peer is written as ::ffff:127.0.0.1.
    let server = Setup::new()
        .set("OPENIM_SERVERIP", "")
        .set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 1)
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1")
        .start();
    let forwarded = [("X-Forwarded-For", "192.0.2.1")];
    let body = br#"{"operationID": "o", "uidList": ["alice"]}"#;
    // More than one connection at once: that of a trusted proxy does not count.
    let kept: Vec<_> = (0..3).map(|_| crate::support::http::dial(server.rest())).collect();
    let answer = call(server.rest(), "POST", "/user/get_user_info", &forwarded, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    drop(kept);
}
