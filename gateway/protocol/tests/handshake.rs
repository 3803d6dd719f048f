//! The upgrade as a client meets it: which head gets which status, and what the answers look like.

use openim_protocol::handshake::{
    Accept, ClientResponse, Head, HeadError, HeadReader, Refusal, UpgradeRequest,
    parse_client_response, write_client_request, write_refusal, write_switching,
};

const LIMIT: u32 = 8 * 1024;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn head_of(target: &str, fields: &[&str]) -> Vec<u8> {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: im.example:7777\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn parse(head: &[u8]) -> Result<UpgradeRequest<'_>, HeadError> {
    match HeadReader::new(LIMIT).next(head)? {
        Head::Complete { request, consumed } => {
            assert_eq!(consumed, head.len());
            Ok(request)
        }
        Head::Partial => panic!("{:?} is whole", String::from_utf8_lossy(head)),
    }
}

fn status_of(head: &[u8]) -> u16 {
    match parse(head) {
        Err(error) => error.refusal().status(),
        Ok(request) => request.upgrade().map_or_else(Refusal::status, |_| 101),
    }
}

#[test]
fn a_client_of_this_crate_is_switched_by_the_server_of_this_crate() {
    let mut head = Vec::new();
    write_client_request(&mut head, "h:7777", "/?sendID=u&token=t&platformID=2", KEY);
    let accept = parse(&head).map(|request| request.upgrade()).expect("a valid head");
    let mut answer = Vec::new();
    write_switching(&mut answer, &accept.expect("an upgrade"));
    assert_eq!(
        String::from_utf8_lossy(&answer),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let consumed = answer.len();
    answer.extend_from_slice(b"\x89\x00");
    let response = parse_client_response(&answer, LIMIT).expect("an HTTP head");
    let accept = Some(ACCEPT.as_bytes());
    assert_eq!(response, ClientResponse::Complete { status: 101, accept, consumed });
    assert!(response.is_switched(KEY));
    assert!(!response.is_switched("another key"));
}

#[test]
fn the_checks_refuse_in_the_order_clients_observe() {
    let [connection, upgrade, version, key] = UPGRADE;
    for (status, method, fields) in [
        (101, "GET", &[connection, upgrade, version, key][..]),
        (400, "GET", &[]),
        (400, "GET", &[connection, version, key]),
        (400, "GET", &[upgrade, version, key]),
        (400, "GET", &["Connection: keep-alive", upgrade, version, key]),
        (400, "GET", &[connection, "Upgrade: h2c", version, key]),
        (400, "POST", &[connection, version, key]),
        (405, "POST", &[connection, upgrade, version, key]),
        (405, "POST", &[connection, upgrade]),
        (405, "get", &[connection, upgrade, version, key]),
        (400, "GET", &[connection, upgrade, key]),
        (400, "GET", &[connection, upgrade, "Sec-WebSocket-Version: 8", key]),
        (400, "GET", &[connection, upgrade, version]),
        (400, "GET", &[connection, upgrade, version, "Sec-WebSocket-Key:"]),
        (400, "GET", &[connection, upgrade, version, key, "Content-Length: 5"]),
        (400, "GET", &[connection, upgrade, version, key, "Transfer-Encoding: chunked"]),
        (101, "GET", &[connection, upgrade, version, key, "Content-Length: 0"]),
        (101, "GET", &["CONNECTION: keep-alive, upGRADE", "upgrade:\tWebSocket ", version, key]),
        (
            101,
            "GET",
            &["Connection: keep-alive", connection, "Upgrade: h2c, websocket", version, key],
        ),
        (101, "GET", &[connection, upgrade, version, key, "Origin: x"]),
    ] {
        let head = String::from_utf8(head_of("/", fields)).expect("ASCII");
        let head = head.replacen("GET", method, 1);
        assert_eq!(status_of(head.as_bytes()), status, "{head}");
    }
}

#[test]
fn the_query_is_read_as_the_original_reads_it() {
    for (target, token, sender, platform) in [
        ("/", None, None, None),
        ("/?", None, None, None),
        ("/any/path?sendID=u1&token=a.b-c_d&platformID=1", Some("a.b-c_d"), Some("u1"), Some("1")),
        ("/?platformID=7&token=&sendID", Some(""), Some(""), Some("7")),
        ("/?token=1&token=2&sendID=%75&sendID=v", Some("1"), Some("u"), None),
        ("/?sendID=a+b%20c&token=x%2By%3D=", Some("x+y=="), Some("a b c"), None),
        ("/?sendID=用户&token=50%", Some("50%"), Some("用户"), None),
        ("/?SendID=u&TOKEN=t", None, None, None),
        ("/?a?b&token=x?y", Some("x?y"), None, None),
        ("http://im.example/?token=t", Some("t"), None, None),
    ] {
        let head = head_of(target, &[]);
        let request = parse(&head).expect("a valid head");
        assert_eq!(request.token.as_deref(), token, "{target}");
        assert_eq!(request.send_id.as_deref(), sender, "{target}");
        assert_eq!(request.platform_id.as_deref(), platform, "{target}");
    }
    let head = head_of("/ws/x?token=t", &[]);
    assert_eq!(parse(&head).expect("a valid head").path, b"/ws/x");
}

#[test]
fn the_forwarded_lines_are_kept_in_their_order() {
    let head = head_of("/", &["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 1.1.1.1, 2.2.2.2"]);
    let forwarded = parse(&head).expect("a valid head").forwarded_for;
    assert_eq!(forwarded, ["6.6.6.6", "1.1.1.1, 2.2.2.2"]);
    assert!(parse(&head_of("/", &[])).expect("a valid head").forwarded_for.is_empty());
}

#[test]
fn malformed_heads_are_refused_with_400() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ?token=x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBlank : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\nb\r\n\r\n",
    ] {
        assert_eq!(status_of(head.as_bytes()), 400, "{head:?}");
    }
    // Not even the first byte is HTTP: refused at once, without waiting for an end.
    assert_eq!(status_of(b"\x16\x03\x01"), 400);
    assert_eq!(status_of(b"\r\nGET"), 400);
}

#[test]
fn a_line_feed_alone_is_refused_without_waiting_for_an_end() {
    let mut reader = HeadReader::new(LIMIT);
    assert!(matches!(reader.next(b"GET / HTTP/1.1\r\nHost: a\r"), Ok(Head::Partial)));
    assert!(matches!(reader.next(b"GET / HTTP/1.1\r\nHost: a\r\nX: b"), Ok(Head::Partial)));
    assert!(reader.next(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n").is_err());
}

#[test]
fn one_key_of_sixteen_bytes_is_needed() {
    let [connection, upgrade, version, key] = UPGRADE;
    let with = |fields: &[&str]| status_of(&head_of("/", &[&UPGRADE[..3], fields].concat()));
    assert_eq!(with(&["Sec-WebSocket-Key: \t dGhlIHNhbXBsZSBub25jZQ== "]), 101);
    assert_eq!(with(&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="]), 101, "bits left over");
    for fields in [
        &[key, key][..],
        &[key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
        &["Sec-WebSocket-Key:", key],
        &["Sec-WebSocket-Key: short"],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q=="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZS-ub25jZQ=="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ=="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="],
    ] {
        assert_eq!(with(fields), 400, "{fields:?}");
    }
    for fields in [
        &[connection, upgrade, upgrade, version, key][..],
        &[connection, upgrade, version, version, key],
        &[connection, upgrade, version, "Sec-WebSocket-Version: 8", key],
        &[connection, upgrade, "Sec-WebSocket-Version: 13, 8", key],
        &[connection, upgrade, "Sec-WebSocket-Version: 013", key],
        &[connection, upgrade, version, key, "Content-Length: 00"],
        &[connection, upgrade, version, key, "Content-Length: 0, 5"],
        &[connection, upgrade, version, key, "Content-Length: 0", "Content-Length: 5"],
        &[connection, upgrade, version, key, "Transfer-Encoding: identity"],
        &[connection, upgrade, version, key, "Content-Length: 0", "Transfer-Encoding: chunked"],
    ] {
        assert_eq!(status_of(&head_of("/", fields)), 400, "{fields:?}");
    }
}

#[test]
fn a_head_may_arrive_in_any_parts() {
    let mut stream = head_of("/?sendID=u&token=t&platformID=1", &UPGRADE);
    let head_bytes = stream.len();
    stream.extend_from_slice(b"\x81\x80first frame");
    let mut reader = HeadReader::new(LIMIT);
    for held in 0..head_bytes {
        assert!(matches!(reader.next(&stream[..held]), Ok(Head::Partial)), "{held} bytes");
    }
    for cut in 0..head_bytes {
        let mut reader = HeadReader::new(LIMIT);
        assert!(matches!(reader.next(&stream[..cut]), Ok(Head::Partial)), "{cut} bytes");
        match reader.next(&stream) {
            Ok(Head::Complete { request, consumed }) => {
                assert_eq!(consumed, head_bytes);
                assert_eq!(request.upgrade().map(|a| a.as_bytes().to_vec()), Ok(ACCEPT.into()));
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn a_head_has_a_size_limit() {
    let bare = head_of("/", &["X: "]).len();
    let fits = head_of("/", &[&format!("X: {}", "x".repeat(LIMIT as usize - bare))]);
    assert_eq!(fits.len(), LIMIT as usize);
    assert_eq!(status_of(&fits), 400, "read, then refused as no upgrade");
    let exceeds = head_of("/", &[&format!("X: {}", "x".repeat(LIMIT as usize - bare + 1))]);
    assert_eq!(status_of(&exceeds), 431);
    let mut reader = HeadReader::new(LIMIT);
    assert!(matches!(reader.next(&exceeds[..LIMIT as usize - 1]), Ok(Head::Partial)));
    assert!(matches!(
        reader.next(&exceeds[..LIMIT as usize]),
        Err(HeadError::TooLarge { limit_bytes: LIMIT })
    ));
}

#[test]
fn refusals_look_like_the_originals() {
    for (refusal, status, line, body) in [
        (Refusal::BadRequest, 400, "400 Bad Request", "Bad Request\n"),
        (Refusal::Unauthorized, 401, "401 Unauthorized", "Unauthorized\n"),
        (Refusal::MethodNotAllowed, 405, "405 Method Not Allowed", "Method Not Allowed\n"),
        (
            Refusal::HeadTooLarge,
            431,
            "431 Request Header Fields Too Large",
            "Request Header Fields Too Large\n",
        ),
        (Refusal::Unavailable, 503, "503 Service Unavailable", "Service Unavailable\n"),
    ] {
        let mut out = Vec::new();
        write_refusal(&mut out, refusal);
        let allow = if status == 405 { "Allow: GET\r\n" } else { "" };
        let length = body.len();
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!(
                "HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\n{allow}\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        );
        let consumed = out.len() - body.len();
        assert_eq!(
            parse_client_response(&out, LIMIT),
            Ok(ClientResponse::Complete { status, accept: None, consumed })
        );
    }
}

#[test]
fn the_refusal_kept_ready_is_the_one_that_is_written() {
    let mut out = Vec::new();
    write_refusal(&mut out, Refusal::Unavailable);
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(Refusal::UNAVAILABLE));
}

#[test]
fn a_client_refuses_what_is_not_an_http_response() {
    assert_eq!(parse_client_response(b"HTTP/1.1 10", LIMIT), Ok(ClientResponse::Partial));
    for head in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 1011 x\r\n\r\n", "\r\n\r\n"]
    {
        assert!(parse_client_response(head.as_bytes(), LIMIT).is_err(), "{head:?}");
    }
    assert!(parse_client_response(&[b'x'; LIMIT as usize], LIMIT).is_err());
}

#[test]
fn the_accept_value_is_that_of_the_standard() {
    assert_eq!(Accept::of_key(KEY.as_bytes()).as_bytes(), ACCEPT.as_bytes());
}
