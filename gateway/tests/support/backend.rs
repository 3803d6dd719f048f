//! Plays the app's backend: takes posts over HTTP, on connections that are kept, and hands them to the test, which answers.
//! It checks signatures by itself; nothing here is shared with the server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use ring::hmac;
use serde_json::{Value, json};

use super::PATIENCE;
use super::server::Setup;

/// What its posts are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whole-server-tests-webhook";

/// The backend, on a port of this machine until it goes away.
pub(crate) struct Backend {
    address: SocketAddr,
    posts: Receiver<Post>,
    gone: Arc<AtomicBool>,
}

/// A post that arrived; its sender waits for the answer. Dropped: the connection is closed without one.
pub(crate) struct Post {
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    answer: Sender<(u16, String)>,
}

impl Backend {
    pub(crate) fn start() -> Backend {
        Backend::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Where another one has been.
    pub(crate) fn at(address: SocketAddr) -> Backend {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("a bound socket");
        let (hand, posts) = mpsc::channel();
        let gone = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&gone);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let (hand, ends) = (hand.clone(), Arc::clone(&ends));
                let stream = stream.expect("a connection");
                thread::spawn(move || serve(stream, &hand, &ends));
            }
        });
        Backend { address, posts, gone }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A server that asks here before each send, and signs what it posts.
    pub(crate) fn asked_by(&self, setup: Setup) -> Setup {
        setup
            .set("OPENIM_MESSAGECALLBACK_CALLBACKSWITCH", "true")
            .set("OPENIM_MESSAGECALLBACK_CALLBACKURL", self.url("/callback?of=test"))
            // A test's question waits for its answer longer than any machine is slow.
            .set("OPENIM_MESSAGECALLBACK_CALLBACKTIMEOUT", 60)
            .set("OPENIM_WEBHOOK_SECRET", WEBHOOK_SECRET)
    }

    /// The next post, waiting for it.
    #[track_caller]
    pub(crate) fn post(&self) -> Post {
        self.posts.recv_timeout(PATIENCE).expect("the backend gets a post")
    }

    /// A post that came and that nobody has taken.
    pub(crate) fn early(&self) -> Option<Post> {
        self.posts.try_recv().ok()
    }

    /// Goes away: its port is closed, and so is each connection behind the post that it is at.
    pub(crate) fn leave(self) -> SocketAddr {
        self.gone.store(true, Ordering::Release);
        // The listener is dropped by its thread, which this wakes.
        TcpStream::connect(self.address).ok();
        while TcpListener::bind(self.address).is_err() {
            thread::yield_now();
        }
        self.address
    }
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn say(self, status: u16, body: &str) {
        // Whoever has stopped listening misses it.
        self.answer.send((status, body.to_owned())).ok();
    }

    /// The message may go on as it is.
    pub(crate) fn allow(self) {
        self.say(200, &json!({"errCode": 0, "errMsg": ""}).to_string());
    }

    /// The message goes on with another content.
    pub(crate) fn change(self, content: &str) {
        let result = json!({"modifiedMsg": content, "ext": ""});
        self.say(200, &json!({"errCode": 0, "errMsg": "", "ResponseResult": result}).to_string());
    }

    /// The message is refused.
    pub(crate) fn refuse(self, code: i64, text: &str) {
        let answer = json!({"errCode": 1, "errMsg": text, "responseErrCode": code});
        self.say(200, &answer.to_string());
    }

    /// Checks that it is signed with the secret.
    #[track_caller]
    pub(crate) fn assert_signed(&self) {
        let time = self.header("x-openim-time").expect("a time");
        let key = hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK_SECRET.as_bytes());
        let mac = hmac::sign(&key, &[time.as_bytes(), b".", &self.body].concat());
        let hex: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(self.header("x-openim-signature"), Some(&*format!("sha256={hex}")));
    }
}

fn serve(stream: TcpStream, hand: &Sender<Post>, gone: &AtomicBool) {
    let mut answers = stream.try_clone().expect("a handle");
    let mut reader = BufReader::new(stream);
    while let Some((path, headers)) = head(&mut reader) {
        let length =
            headers.get("content-length").map_or(0, |text| text.parse().expect("a number"));
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || gone.load(Ordering::Acquire) {
            return;
        }
        assert_eq!(headers.get("content-type").map(String::as_str), Some("application/json"));
        let (answer, said) = mpsc::channel();
        // A test that has ended asks for no more posts.
        if hand.send(Post { path, headers, body, answer }).is_err() {
            return;
        }
        let Ok((status, body)) = said.recv() else { return };
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n", body.len());
        if answers.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<(String, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Some((path, headers));
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}
