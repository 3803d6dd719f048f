//! A very small HTTP/1.1 client: one request, one connection, every byte of the answer's head visible.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::{PATIENCE, engine};

/// An answer, header names in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// Sends a request with the given extra headers and reads the whole answer.
pub(crate) fn call(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    if !path.starts_with("/auth/") {
        engine::sent(to);
    }
    let mut stream = dial(to);
    stream.write_all(head.as_bytes()).expect("the request head is sent");
    stream.write_all(body).expect("the request body is sent");
    read_answer(&mut stream)
}

/// Opens a connection that never waits for ever.
pub(crate) fn dial(to: SocketAddr) -> TcpStream {
    try_dial(to).expect("the server accepts")
}

/// Like [`dial`], where there may be no server.
pub(crate) fn try_dial(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads one answer; the body ends with its `Content-Length` or its last chunk, else with the connection.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
    let (mut answer, rest) = read_head(stream);
    answer.body = rest;
    match answer.header("content-length").map(|length| length.parse::<usize>().expect("a number")) {
        Some(length) => {
            let have = answer.body.len();
            assert!(have <= length, "more bytes than Content-Length says");
            answer.body.resize(length, 0);
            stream.read_exact(&mut answer.body[have..]).expect("the announced body");
        }
        None if answer.status != 101 => {
            stream.read_to_end(&mut answer.body).expect("a body until the end");
            if answer.header("transfer-encoding") == Some("chunked") {
                answer.body = from_chunks(&answer.body);
            }
        }
        None => {}
    }
    answer
}

/// The content of a body in chunks, which must be whole.
fn from_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").expect("a chunk's length");
        let length = std::str::from_utf8(&rest[..end]).expect("a length in ASCII");
        let length = usize::from_str_radix(length, 16).expect("a length in hex");
        let begin = end + 2;
        assert!(rest.len() >= begin + length + 2, "the body was cut");
        if length == 0 {
            assert_eq!(rest, b"0\r\n\r\n", "nothing follows the last chunk");
            return content;
        }
        content.extend_from_slice(&rest[begin..begin + length]);
        rest = &rest[begin + length + 2..];
    }
}

/// Reads a head and returns it with the bytes that came behind it.
pub(crate) fn read_head(stream: &mut TcpStream) -> (Answer, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let count = stream.read(&mut chunk).expect("an answer in time");
        assert!(count > 0, "closed before a whole head: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&chunk[..count]);
    };
    let rest = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).expect("a head in ASCII");
    let mut lines = head.split("\r\n");
    let status_line = lines.next().expect("split yields at least one part");
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let status = status.unwrap_or_else(|| panic!("no status in {status_line:?}"));
    (Answer { status, headers, body: Vec::new() }, rest)
}
