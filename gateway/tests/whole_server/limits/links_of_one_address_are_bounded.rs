//! Links of one address above the configured number are refused with 503; one that leaves makes room. Behind a
//! trusted proxy the address that it forwards counts, and what anybody else claims to forward does not.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::http;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, write_head};
use crate::support::rest::{User, registration};
use crate::support::server::{Server, Setup};

#[test]
fn the_next_one_gets_503_until_one_leaves() {
    let server = Setup::new().set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 2).start();
    let users = registered(&server, 3);
    let mut links: Vec<Link> = users[..2].iter().map(|user| server.connect(user)).collect();
    for _ in 0..3 {
        assert_eq!(server.refusal(&users[2]), 503);
    }
    for link in &mut links {
        assert_eq!(link.newest(), 0, "those who are in stay in");
    }
    links.pop().expect("two links").close();
    let deadline = Instant::now() + PATIENCE;
    while Link::open(server.ws(), &users[2]).is_err() {
        assert!(Instant::now() < deadline, "the place of the one who left is free");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn addresses_from_a_trusted_proxy_count_each_for_itself() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 1)
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1")
        .start();
    let users = registered(&server, 3);
    let (one, _one) = forwarded(&server, &users[0], "192.0.2.1");
    // What comes before the proxy's own entry is the client's word.
    let (other, _other) = forwarded(&server, &users[1], "192.0.2.1, 192.0.2.2");
    assert_eq!((one, other), (101, 101), "two addresses");
    let (again, _) = forwarded(&server, &users[2], "192.0.2.1");
    assert_eq!(again, 503, "the first address has its link");
}

#[test]
fn trusted_hops_are_walked_to_the_client() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 1)
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1,10.0.0.0/8")
        .start();
    let users = registered(&server, 3);
    let (one, _one) = forwarded(&server, &users[0], "6.6.6.6, 192.0.2.1, 10.0.0.7, 10.0.0.8");
    let (again, _) = forwarded(&server, &users[1], "7.7.7.7, 192.0.2.1, 10.0.0.8");
    let (other, _other) = forwarded(&server, &users[2], "192.0.2.1, 192.0.2.2, 10.0.0.7");
    assert_eq!((one, again, other), (101, 503, 101), "the last one who is no proxy counts");
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 1)
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1")
        .start();
    let users = registered(&server, 3);
    let (one, _one) = forwarded(&server, &users[0], "2001:db8::1");
    let (again, _) = forwarded(&server, &users[1], "2001:db8::2:1");
    let (other, _other) = forwarded(&server, &users[2], "2001:db8:0:1::1");
    assert_eq!((one, again, other), (101, 503, 101));
}

#[test]
fn forwarded_addresses_of_strangers_are_ignored() {
    let server = Setup::new().set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 1).start();
    let users = registered(&server, 2);
    let (one, _one) = forwarded(&server, &users[0], "192.0.2.1");
    let (other, _other) = forwarded(&server, &users[1], "192.0.2.2");
    assert_eq!((one, other), (101, 503), "both came from one address");
}

/// Users who register one after another, as the limit holds for REST connections too: each waits until the one
/// before is gone.
fn registered(server: &Server, count: usize) -> Vec<User> {
    let deadline = Instant::now() + PATIENCE;
    let register = |number: usize| loop {
        let uid = format!("user{number}");
        let answer = server.post("/auth/user_register", &registration(&uid, IOS));
        if answer.status == 200 {
            let token = answer.json()["data"]["token"].as_str().expect("a token").to_owned();
            return User { uid, token, platform: IOS };
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(Instant::now() < deadline, "connections that are closed do not count");
        std::thread::sleep(Duration::from_millis(20));
    };
    (0..count).map(register).collect()
}

/// Upgrades with a forwarded address; the link stays open while the stream lives.
fn forwarded(server: &Server, user: &User, address: &str) -> (u16, TcpStream) {
    let mut stream = http::dial(server.ws());
    let headers = [&UPGRADE[..], &[("X-Forwarded-For", address)]].concat();
    write_head(&mut stream, "GET", &format!("/{}", user.query()), &headers);
    let (answer, _) = http::read_head(&mut stream);
    (answer.status, stream)
}
