//! Plays the service that issues credentials for object storage. It knows the account's key and checks
//! each signature by itself; nothing here is shared with the server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::PATIENCE;
use crate::support::http::{self, Answer};
use crate::support::server::{Server, Setup};

/// The account's key.
pub(super) const SECRET_KEY: &str = "whole-server-tests-sts-key";

pub(super) const PATH: &str = "/third/tencent_cloud_storage_credential";

/// What every complaint about the service says.
pub(super) const COMPLAINT: &str = "no credential for object storage";

/// What a client is told when the account is used as it should be.
pub(super) fn credential() -> Value {
    json!({
        "Credentials": {"TmpSecretId": "temporary-id", "TmpSecretKey": "temporary-key", "Token": "temporary-token"},
        "ExpiredTime": 4_000_003_600_i64, "Expiration": "2096-10-02T08:06:40Z", "StartTime": 4_000_000_000_i64,
        "RequestId": "request-1"
    })
}

/// The service, on a port of this machine until the test program ends.
pub(super) struct Sts {
    address: SocketAddr,
    asked: Receiver<Question>,
}

/// A form that arrived; its sender waits for the answer.
pub(super) struct Question {
    stream: TcpStream,
    host: String,
    pub(super) form: BTreeMap<String, String>,
}

impl Sts {
    pub(super) fn start() -> Sts {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let (hand, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                accept(stream.expect("a connection"), &hand);
            }
        });
        Sts { address, asked }
    }

    /// A server with one shard whose account is known here.
    pub(super) fn setup(&self) -> Setup {
        // By name, so that it must be looked up.
        account(Setup::new(), &format!("http://localhost:{}", self.address.port()))
    }

    /// The next question, waiting for it.
    #[track_caller]
    pub(super) fn question(&self) -> Question {
        self.asked.recv_timeout(PATIENCE).expect("the service is asked")
    }

    /// Whether a question came that nobody has taken.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.try_recv().is_ok()
    }

    /// Asks the server for a credential on a thread, and hands the question out here.
    #[track_caller]
    pub(super) fn asked_by(&self, server: &Server) -> (Question, thread::JoinHandle<Answer>) {
        let to = server.rest();
        let asking = thread::spawn(move || ask(to));
        (self.question(), asking)
    }
}

/// The setup of one shard with a whole account at `endpoint`.
pub(super) fn account(setup: Setup, endpoint: &str) -> Setup {
    setup
        .set("OPENIM_GATEWAY_SHARDS", "1")
        .set("OPENIM_CREDENTIAL_TENCENT_APPID", "1250000000")
        .set("OPENIM_CREDENTIAL_TENCENT_REGION", "ap-test")
        .set("OPENIM_CREDENTIAL_TENCENT_BUCKET", "files-1250000000")
        .set("OPENIM_CREDENTIAL_TENCENT_SECRETID", "AKIDtest")
        .set("OPENIM_CREDENTIAL_TENCENT_SECRETKEY", SECRET_KEY)
        .set("OPENIM_CREDENTIAL_TENCENT_ENDPOINT", endpoint)
}

/// Asks a server as a client does.
pub(super) fn ask(to: SocketAddr) -> Answer {
    http::call(to, "POST", PATH, &[], br#"{"token":"t","operationID":"op"}"#)
}

/// Checks that there was none, as clients are told it.
#[track_caller]
pub(super) fn assert_none(answer: &Answer, text: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = json!({"data": null, "errCode": 400, "errMsg": text, "region": "", "bucket": ""});
    assert_eq!(answer.json(), told);
}

impl Question {
    /// Issues a credential, if the question is signed.
    pub(super) fn issue(self) {
        if self.form.get("Signature") != Some(&self.signature()) {
            return self
                .refuse("AuthFailure.SignatureFailure", "not signed with the account's key");
        }
        let mut issued = credential();
        issued.as_object_mut().expect("an object").remove("StartTime");
        self.say(200, &json!({"Response": issued}).to_string());
    }

    /// Refuses, as the service does with status 200.
    pub(super) fn refuse(self, code: &str, message: &str) {
        let error = json!({"Code": code, "Message": message});
        self.say(200, &json!({"Response": {"Error": error, "RequestId": "request-2"}}).to_string());
    }

    pub(super) fn say(mut self, status: u16, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {length}\r\n\r\n");
        // Whoever has stopped listening misses it.
        self.stream.write_all((head + body).as_bytes()).ok();
    }

    fn signature(&self) -> String {
        let signed: Vec<String> = self
            .form
            .iter()
            .filter(|(name, _)| *name != "Signature")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let text = format!("POST{}/?{}", self.host, signed.join("&"));
        let mut key = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes()).expect("any length");
        key.update(text.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(key.finalize().into_bytes())
    }
}

fn accept(mut stream: TcpStream, hand: &Sender<Question>) {
    let head = head(&mut stream);
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned()).expect("the field")
    };
    assert_eq!(field("content-type"), "application/x-www-form-urlencoded");
    let mut body = vec![0; field("content-length").parse().expect("a number")];
    stream.read_exact(&mut body).expect("the whole form");
    let form = String::from_utf8(body).expect("ASCII");
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let form = pairs.map(|(name, value)| (plain(name), plain(value))).collect();
    // A test that has ended asks for no more questions.
    hand.send(Question { stream, host: field("host"), form }).ok();
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("ASCII")
}

/// Undoes the escapes of a form.
pub(super) fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next().expect("two digits")).to_digit(16);
                let value = digit().and_then(|high| Some(high * 16 + digit()?));
                u8::try_from(value.expect("digits")).expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
