//! A well-behaved websocket client (tungstenite): requests with their replies, pushes in their order.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{
    Error, HandshakeError, Message, WebSocket, client::client_with_config,
};

use super::rest::User;
use super::server::Server;
use super::{PATIENCE, engine, http};

/// The `reqIdentifier` of a push.
pub(crate) const PUSH: i64 = 2001;

/// A websocket of one user.
pub(crate) struct Link {
    pub(crate) user: User,
    to: SocketAddr,
    socket: WebSocket<TcpStream>,
    pushes: VecDeque<Value>,
    last_incr: i64,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    Json(Value),
    Pong(Vec<u8>),
    /// The code of the close frame; nothing if the connection just ended.
    Closed(Option<u16>),
}

/// The reply to an accepted send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) client_id: String,
    pub(crate) server_id: String,
    pub(crate) send_time: i64,
}

impl Ack {
    /// Reads the `data` of an accepted send.
    #[track_caller]
    pub(crate) fn from_data(data: &Value) -> Ack {
        let text =
            |key: &str| data[key].as_str().unwrap_or_else(|| panic!("{key} in {data}")).to_owned();
        let send_time = data["sendTime"].as_i64().unwrap_or_else(|| panic!("sendTime in {data}"));
        Ack { client_id: text("clientMsgID"), server_id: text("serverMsgID"), send_time }
    }
}

/// The `data` of a 1003 to one user.
pub(crate) fn message(to: &str, client_id: &str, content: &str) -> Value {
    json!({"platformID": 1, "sessionType": 1, "msgFrom": 100, "contentType": 101, "recvID": to, "forceList": [],
        "content": content, "options": {}, "clientMsgID": client_id, "offlineInfo": {}})
}

/// The `data` of a 1003 to a group.
pub(crate) fn group_message(group: &str, client_id: &str, content: &str) -> Value {
    let mut data = message(group, client_id, content);
    data["sessionType"] = json!(2);
    data
}

impl Server {
    /// Opens a websocket as `user`.
    #[track_caller]
    pub(crate) fn connect(&self, user: &User) -> Link {
        // What was sent before is pushed to nobody who comes now.
        self.at_rest();
        Link::open(self.ws(), user)
            .unwrap_or_else(|error| panic!("{} cannot connect: {error}", user.uid))
    }

    /// Registers a user on iOS and connects.
    #[track_caller]
    pub(crate) fn newcomer(&self, uid: &str) -> Link {
        self.connect(&self.register(uid, super::platform::IOS))
    }

    /// The status that refuses a websocket of `user`.
    #[track_caller]
    pub(crate) fn refusal(&self, user: &User) -> u16 {
        match Link::open(self.ws(), user) {
            Ok(_) => panic!("{} should have been refused", user.uid),
            Err(error) => match *error {
                Error::Http(answer) => answer.status().as_u16(),
                error => panic!("no HTTP answer: {error}"),
            },
        }
    }
}

impl Link {
    /// Connects; fails with what the server answered instead, or with why there is no server.
    pub(crate) fn open(to: SocketAddr, user: &User) -> Result<Link, Box<Error>> {
        let stream = http::try_dial(to).map_err(Error::Io)?;
        let url = format!("ws://{to}/{}", user.query());
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) =
            client_with_config(url, stream, Some(config)).map_err(|error| match error {
                HandshakeError::Failure(error) => error,
                HandshakeError::Interrupted(_) => Error::Io(ErrorKind::TimedOut.into()),
            })?;
        Ok(Link { user: user.clone(), to, socket, pushes: VecDeque::new(), last_incr: 0 })
    }

    /// Sends any message.
    pub(crate) fn send(&mut self, message: Message) {
        self.try_send(message).expect("the server reads");
    }

    /// Sends any message, unless the connection is gone.
    pub(crate) fn try_send(&mut self, message: Message) -> Result<(), Box<Error>> {
        engine::sent(self.to);
        self.socket.send(message).map_err(Box::new)
    }

    /// Sends a text frame.
    pub(crate) fn send_text(&mut self, text: impl ToString) {
        self.send(Message::text(text.to_string()));
    }

    /// The envelope of a request of this user, with a correlation number of its own.
    pub(crate) fn envelope(&mut self, request: i64, data: &Value) -> Value {
        self.last_incr += 1;
        json!({"reqIdentifier": request, "token": self.user.token, "sendID": self.user.uid, "operationID": "op",
            "msgIncr": self.last_incr, "data": data})
    }

    /// Sends a request and returns the reply to it; pushes that come first are kept.
    #[track_caller]
    pub(crate) fn request(&mut self, request: i64, data: &Value) -> Value {
        let envelope = self.envelope(request, data);
        self.ask(&envelope)
    }

    /// Sends an envelope and returns the next frame that is not a push.
    #[track_caller]
    pub(crate) fn ask(&mut self, envelope: &Value) -> Value {
        self.send_text(envelope);
        self.reply()
    }

    /// The next frame that is not a push.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Value {
        loop {
            match self.arrival() {
                Arrival::Json(frame) if frame["reqIdentifier"] == PUSH => {
                    self.pushes.push_back(frame)
                }
                Arrival::Json(frame) => return frame,
                other => panic!("a reply is wanted, not {other:?}"),
            }
        }
    }

    /// Sends a message that must be accepted.
    #[track_caller]
    pub(crate) fn say(&mut self, to: &str, client_id: &str, content: &str) -> Ack {
        let mut data = message(to, client_id, content);
        data["platformID"] = json!(self.user.platform);
        self.say_data(&data)
    }

    /// Like [`Link::say`], with `options`.
    #[track_caller]
    pub(crate) fn say_with(&mut self, to: &str, client_id: &str, options: &Value) -> Ack {
        let mut data = message(to, client_id, client_id);
        data["platformID"] = json!(self.user.platform);
        data["options"] = options.clone();
        self.say_data(&data)
    }

    #[track_caller]
    pub(crate) fn say_data(&mut self, data: &Value) -> Ack {
        let reply = self.request(1003, data);
        assert_eq!(reply["errCode"], 0, "{reply}");
        Ack::from_data(&reply["data"])
    }

    /// Asks what the inbox has, once what was sent has come there.
    #[track_caller]
    fn question(&mut self, request: i64, data: &Value) -> Value {
        engine::at_rest(self.to);
        let reply = self.request(request, data);
        engine::asked(self.to);
        reply
    }

    /// The newest seq (1001).
    #[track_caller]
    pub(crate) fn newest(&mut self) -> i64 {
        let reply = self.question(1001, &Value::Null);
        assert_eq!(reply["errCode"], 0, "{reply}");
        reply["data"]["seq"].as_i64().unwrap_or_else(|| panic!("an integer seq in {reply}"))
    }

    /// The `data` of a pull (1002).
    #[track_caller]
    pub(crate) fn pull(&mut self, begin: i64, end: i64) -> Value {
        let reply = self.question(1002, &json!({"seqBegin": begin, "seqEnd": end}));
        assert_eq!(reply["errCode"], 0, "{reply}");
        reply["data"].clone()
    }

    /// Every message of the inbox in order of seq.
    #[track_caller]
    pub(crate) fn inbox(&mut self) -> Vec<Value> {
        let newest = self.newest();
        messages(&self.pull(1, newest.max(1)))
    }

    /// The next push, however long the server takes.
    #[track_caller]
    pub(crate) fn push(&mut self) -> Value {
        if let Some(push) = self.pushes.pop_front() {
            return push;
        }
        match self.arrival() {
            Arrival::Json(frame) if frame["reqIdentifier"] == PUSH => frame,
            other => panic!("a push is wanted, not {other:?}"),
        }
    }

    /// The `data` of the next push.
    #[track_caller]
    pub(crate) fn pushed(&mut self) -> Value {
        self.push()["data"].clone()
    }

    /// The next thing that arrives, whatever it is. Pings are answered on the way.
    #[track_caller]
    pub(crate) fn arrival(&mut self) -> Arrival {
        self.arrival_within(PATIENCE)
            .unwrap_or_else(|| panic!("nothing came for {}", self.user.uid))
    }

    /// Like [`Link::arrival`], but nothing after `patience`.
    pub(crate) fn arrival_within(&mut self, patience: Duration) -> Option<Arrival> {
        let deadline = Instant::now() + patience;
        loop {
            let left =
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a non-zero time-out");
            match self.socket.read() {
                Ok(Message::Text(text)) => return Some(Arrival::Json(parse(&text))),
                Ok(Message::Binary(bytes)) => panic!("a binary frame from the server: {bytes:?}"),
                Ok(Message::Pong(payload)) => return Some(Arrival::Pong(payload.to_vec())),
                Ok(Message::Ping(_)) => self.socket.flush().unwrap_or_default(),
                Ok(Message::Close(frame)) => {
                    // Shown with a failing test: the reason is for people.
                    eprintln!("{} was closed: {frame:?}", self.user.uid);
                    return Some(Arrival::Closed(frame.map(|frame| frame.code.into())));
                }
                Ok(Message::Frame(_)) => unreachable!("never given by read"),
                Err(Error::Io(error)) if is_timeout(&error) && Instant::now() < deadline => {}
                Err(Error::Io(error)) if is_timeout(&error) => return None,
                Err(_) => return Some(Arrival::Closed(None)),
            }
        }
    }

    /// Pushes and replies up to the end; returns them with the code of the close frame.
    #[track_caller]
    pub(crate) fn drain_to_close(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut frames: Vec<Value> = self.pushes.drain(..).collect();
        loop {
            match self.arrival() {
                Arrival::Json(frame) => frames.push(frame),
                Arrival::Pong(_) => {}
                Arrival::Closed(code) => return (frames, code),
            }
        }
    }

    /// Closes politely with 1000 and waits for the echo.
    #[track_caller]
    pub(crate) fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.socket.close(Some(frame)).expect("the server reads");
        let (_, code) = self.drain_to_close();
        assert_eq!(code, Some(1000), "a close is echoed with its code");
    }
}

/// The messages of a pull's `data` in order of seq.
#[track_caller]
pub(crate) fn messages(data: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for group in ["single", "group"] {
        for entry in
            data[group].as_array().unwrap_or_else(|| panic!("{group} must be a list: {data}"))
        {
            all.extend(entry["list"].as_array().expect("a list").iter().cloned());
        }
    }
    all.sort_by_key(|message| message["seq"].as_i64().expect("an integer seq"));
    all
}

/// The values of one key.
pub(crate) fn column<'a>(messages: &'a [Value], key: &str) -> Vec<&'a Value> {
    messages.iter().map(|message| &message[key]).collect()
}

fn parse(text: &str) -> Value {
    assert!(!text.ends_with('\n'), "no trailing newline");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
