//! A client of one user: blocking, one request in one answer out, for benches.
//!
//! In: the server's URLs. Out: a user with a token, and a link that writes sends and reads frames.
//! Never: measures anything; the load tool does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_protocol::frame::{Event, Reader, Side, Step, write_message_masked};
use openim_protocol::handshake::{ClientResponse, parse_client_response, write_client_request};
use serde_json::{Value, json};

use crate::poll::Pipe;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Room for reading at first; a link that never needs it never touches it.
const BUFFER_BYTES: usize = 64 * 1024;
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A registered user with a token for platform 1.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub uid: String,
    /// Token.
    pub token: String,
}

impl User {
    /// Registers `uid` at the server behind `rest` (an URL), which also issues a token.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn register(rest: &str, secret: &str, uid: &str) -> anyhow::Result<Self> {
        let body = json!({"secret": secret, "platform": 1, "uid": uid, "name": uid});
        let body = call(rest, "/auth/user_register", "", &body)?;
        match body["data"]["token"].as_str() {
            Some(token) => Ok(Self { uid: uid.to_owned(), token: token.to_owned() }),
            None => bail!("{uid} was not registered: {body}"),
        }
    }

    /// Makes a group of this user, who owns it, and `others`; gives its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn found_group(&self, rest: &str, others: &[Self]) -> anyhow::Result<String> {
        let members: Vec<Value> =
            others.iter().map(|other| json!({"uid": other.uid, "setRole": 0})).collect();
        let body = json!({"operationID": "bench", "groupName": "bench", "memberList": members});
        let body = call(rest, "/group/create_group", &self.token, &body)?;
        match body["data"]["groupID"].as_str() {
            Some(group) => Ok(group.to_owned()),
            None => bail!("{} cannot make a group: {body}", self.uid),
        }
    }
}

/// The answer to one REST call.
fn call(rest: &str, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
    let body = body.to_string();
    let host = rest.trim_start_matches("http://").trim_end_matches('/');
    let mut socket = connect(host)?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\ntoken: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).context("asking REST")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).context("reading REST's answer")?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    serde_json::from_str(body).context("an answer that is no JSON")
}

/// A websocket of one user.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    reader: Reader,
    outgoing: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` not read yet.
    unread: std::ops::Range<usize>,
}

impl Link {
    /// Connects `user` to the server behind `ws` (an URL).
    ///
    /// # Errors
    /// When the server refuses.
    pub fn open(ws: &str, user: &User) -> anyhow::Result<Self> {
        let host = ws.trim_start_matches("ws://").trim_end_matches('/');
        let mut socket = connect(host)?;
        let target = format!("/?token={}&sendID={}&platformID=1", user.token, user.uid);
        let mut head = Vec::new();
        write_client_request(&mut head, host, &target, KEY);
        socket.write_all(&head).context("asking for a link")?;
        let mut link = Self {
            socket,
            reader: Reader::new(Side::Client, 1 << 20),
            outgoing: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            unread: 0..0,
        };
        loop {
            link.fill()?;
            match parse_client_response(&link.buffer[link.unread.clone()], 8 * 1024)? {
                ClientResponse::Partial => {}
                answer @ ClientResponse::Complete { status, consumed, .. } => {
                    if !answer.is_switched(KEY) {
                        bail!("the link was refused with status {status}");
                    }
                    link.unread.start += consumed;
                    return Ok(link);
                }
            }
        }
    }

    /// Its socket, for a loop that serves many, with what was read already.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn into_pipe(self) -> anyhow::Result<Pipe> {
        let rest = self.buffer[self.unread].to_vec();
        Pipe::new(self.socket, rest).context("a link without waiting")
    }

    /// Puts a frame behind those that wait to be written.
    pub fn queue(&mut self, payload: &[u8]) {
        write_message_masked(&mut self.outgoing, true, payload, MASK);
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// When the link is gone.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.socket.write_all(&self.outgoing).context("writing to the link")?;
        self.outgoing.clear();
        Ok(())
    }

    /// Waits for `count` messages that contain `needle`.
    ///
    /// # Errors
    /// When the link ends, or another message comes.
    pub fn expect(&mut self, count: usize, needle: &str) -> anyhow::Result<()> {
        let mut seen = 0;
        while seen < count {
            match self.reader.next(&mut self.buffer[self.unread.clone()])? {
                Step::Event { event, consumed } => {
                    if let Event::Message { payload, .. } = event {
                        let text = std::str::from_utf8(payload).context("a frame of text")?;
                        if !text.contains(needle) {
                            bail!("expected {needle}, got {text}");
                        }
                        seen += 1;
                    } else if let Event::Close { code, .. } = event {
                        bail!("the server closed the link: {code:?}");
                    }
                    self.unread.start += consumed;
                }
                Step::Progress { consumed } => self.unread.start += consumed,
                Step::More { .. } => self.fill()?,
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = &mut self.buffer[self.unread.end..];
        match self.socket.read(room).context("reading from the link")? {
            0 => bail!("the server ended the link"),
            count => self.unread.end += count,
        }
        Ok(())
    }
}

fn connect(host: &str) -> anyhow::Result<TcpStream> {
    let socket = TcpStream::connect(host).with_context(|| format!("cannot reach {host}"))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
