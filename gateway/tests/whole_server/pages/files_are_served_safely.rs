//! The page's files: types, policies, caching, compression; other methods and paths are not found; limits of REST hold.

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::http::{Answer, call};
use crate::support::server::{Server, Setup};

const FILES: [(&str, &str); 6] = [
    ("/chat", "text/html; charset=utf-8"),
    ("/chat/chat.css", "text/css; charset=utf-8"),
    ("/chat/chat.js", "text/javascript; charset=utf-8"),
    ("/chat/openim.js", "text/javascript; charset=utf-8"),
    ("/chat/words.js", "text/javascript; charset=utf-8"),
    ("/chat/icon.svg", "image/svg+xml"),
];

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    call(server.rest(), "GET", path, headers, b"")
}

#[test]
fn each_file_has_its_type_and_may_do_little() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = Server::start();
    for (path, kind) in FILES {
        let answer = get(&server, path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        for (name, value) in [
            ("content-type", kind),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        let links = format!("connect-src 'self' ws://{};", server.ws());
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", &links] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let about = get(&server, "/chat/server.json", &[]);
    assert_eq!(about.header("cache-control"), Some("no-store"));
    let expected = json!({"websocket": format!("ws://{}", server.ws()), "guests": "guest~"});
    assert_eq!(about.json(), expected);
}

#[test]
fn what_a_browser_has_already_is_not_sent_again_and_what_it_can_unpack_is_packed() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = Server::start();
    let plain = get(&server, "/chat/chat.js", &[]);
    let packed = get(&server, "/chat/chat.js", &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert!(packed.body.len() * 2 < plain.body.len());
    let refused = get(&server, "/chat/chat.js", &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!((refused.header("content-encoding"), &refused.body), (None, &plain.body));
    let tag = plain.header("etag").expect("a tag");
    for (tags, status) in [(tag, 304), (&format!("\"x\", {tag}"), 304), ("\"x\"", 200)] {
        let answer = get(&server, "/chat/chat.js", &[("If-None-Match", tags)]);
        assert_eq!(answer.status, status, "{tags}");
        assert_eq!(answer.body.is_empty(), status == 304, "{tags}");
    }
}

#[test]
fn other_paths_and_methods_are_not_found() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let server = Server::start();
    for (method, path) in [
        ("GET", "/chat/nothing.js"),
        ("GET", "/chat/../data/secret"),
        ("GET", "/chat/..%2f..%2fdata%2fsecret"),
        ("GET", "/chat/chat.js/"),
        ("GET", "/chat//chat.js"),
        ("PUT", "/chat"),
        ("POST", "/chat"),
        ("DELETE", "/chat/chat.js"),
    ] {
        let answer = call(server.rest(), method, path, &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (404, "404 page not found"), "{path}");
    }
    let answer = get(&server, "/chat/", &[]);
    assert_eq!((answer.status, answer.header("location")), (307, Some("/chat")));
}

#[test]
fn pages_count_against_the_requests_of_an_address() {
    if embedded_only("a cluster has no page unless it is asked for") {
        return;
    }
    let setup = Setup::new().set("OPENIM_LIMITS_REQUESTSPERSECONDPERADDRESS", 1);
    let server = setup.start();
    let statuses: Vec<u16> = (0..50).map(|_| get(&server, "/chat", &[]).status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
}
