//! A small server of this wire, in memory, one thread per connection, that can be told to break
//! each promise the load tool checks. Knows nothing of the tool's code.

mod group;
mod tls;

use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does wrong, once for each [`EVERY`] messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    DropPush,
    DoublePush,
    SwapPushes,
    OtherIdInPush,
    AlterContent,
    Refuse,
    NoAck,
    LoseStored,
    DoubleStored,
    SeqHole,
    CloseLink,
    RefuseUpgrade,
    ForgetProbe,
    WrongReceiver,
    EchoPush,
    StrangePush,
    Emphasize,
    KeepOut,
}

/// So few that a busy machine comes to them within a second.
const EVERY: u64 = 20;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const SECRET: &str = "mock-secret";

/// Addresses of a running mock.
pub(crate) struct Mock {
    pub(crate) rest: SocketAddr,
    pub(crate) ws: SocketAddr,
    /// The certificate to trust, where there is TLS in front.
    pub(crate) certificate: Option<PathBuf>,
}

#[derive(Default)]
struct State {
    users: HashSet<String>,
    /// Links of each user, by platform.
    links: HashMap<String, HashMap<String, TcpStream>>,
    inboxes: HashMap<String, Vec<Value>>,
    newest: HashMap<String, i64>,
    held: Option<(String, Value)>,
    receipts: HashMap<String, String>,
    /// Members of each group.
    groups: HashMap<String, Vec<String>>,
    messages: u64,
    upgrades: u64,
}

type Shared = Arc<Mutex<State>>;

impl Mock {
    /// Starts serving; threads end with the process.
    pub(crate) fn start(fault: Fault) -> Self {
        let state = Shared::default();
        let rest = TcpListener::bind("127.0.0.1:0").unwrap();
        let ws = TcpListener::bind("127.0.0.1:0").unwrap();
        let [at, ws_at] = [&rest, &ws].map(|listener| listener.local_addr().unwrap());
        let mock = Self { rest: at, ws: ws_at, certificate: None };
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in rest.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve_rest(stream, &shared, fault));
            }
        });
        thread::spawn(move || {
            for stream in ws.incoming().flatten() {
                let shared = Arc::clone(&state);
                thread::spawn(move || serve_link(stream, &shared, fault));
            }
        });
        mock
    }

    /// The same with TLS; its certificate is written into `folder`.
    pub(crate) fn start_with_tls(folder: &Path) -> Self {
        let Self { rest, ws, .. } = Self::start(Fault::None);
        let certificate = folder.join("certificate.pem");
        let config = tls::certificate(&certificate);
        let [rest, ws] = [rest, ws].map(|plain| tls::in_front_of(plain, &config));
        Self { rest, ws, certificate: Some(certificate) }
    }

    /// Arguments that lead the tool here.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let s = if self.certificate.is_some() { "s" } else { "" };
        let [rest, ws] = [format!("http{s}://{}", self.rest), format!("ws{s}://{}", self.ws)];
        let trusted = self
            .certificate
            .iter()
            .flat_map(|path| ["--ca".to_owned(), path.to_str().unwrap().to_owned()]);
        let others = ["--rest", &rest, "--ws", &ws, "--secret", SECRET].map(str::to_owned);
        others.into_iter().chain(trusted).collect()
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            return Some(lines);
        }
        lines.push(line);
    }
}

fn header<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn serve_rest(stream: TcpStream, shared: &Shared, fault: Fault) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let lines = head(&mut reader)?;
        let path = lines[0].split(' ').nth(1)?.to_owned();
        let mut body = vec![0; header(&lines, "content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let call: Value = serde_json::from_slice(&body).ok()?;
        let token = header(&lines, "token").unwrap_or_default().to_owned();
        let mut state = shared.lock().unwrap();
        let (status, answer) = match path.strip_prefix("/group/") {
            Some(route) => (200, group::answer(route, &call, &token, &mut state, fault)),
            None => answer_rest(&path, &call, &token, &mut state),
        };
        drop(state);
        let text = answer.to_string();
        let length = text.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all((head + &text).as_bytes()).ok()?;
    }
}

fn answer_rest(path: &str, call: &Value, token: &str, state: &mut State) -> (u16, Value) {
    let error = |text: &str| (500, json!({"errCode": 500, "errMsg": text}));
    let uid = call["uid"].as_str().unwrap_or_default().to_owned();
    let data = || json!({"uid": uid, "token": format!("token-{uid}"), "expiredTime": 1});
    match path {
        "/auth/user_register" | "/auth/user_token" if call["secret"] != SECRET => error("secret"),
        "/auth/user_register" if !state.users.insert(uid.clone()) => error("exists"),
        "/auth/user_register" => (200, json!({"data": data(), "errCode": 0, "errMsg": ""})),
        "/auth/user_token" if !state.users.contains(&uid) => error("unknown"),
        "/auth/user_token" => (200, json!({"data": data(), "errCode": 0, "errMsg": ""})),
        "/chat/newest_seq" if token == format!("token-{}", call["sendID"].as_str().unwrap()) => {
            let seq = newest(call["sendID"].as_str().unwrap(), state);
            (200, json!({"data": {"seq": seq}, "errCode": 0, "errMsg": "", "msgIncr": 1}))
        }
        "/chat/pull_msg" if token == format!("token-{}", call["sendID"].as_str().unwrap()) => {
            let data = pulled(call["sendID"].as_str().unwrap(), &call["data"], state).unwrap();
            (200, json!({"data": data, "errCode": 0, "errMsg": "", "msgIncr": 1}))
        }
        "/chat/send_msg" if !token.is_empty() => {
            (200, json!({"data": {"serverMsgID": "x"}, "errCode": 0, "errMsg": ""}))
        }
        _ => error("what?"),
    }
}

fn query(lines: &[String], name: &str) -> Option<String> {
    let (_, query) = lines[0].split(' ').nth(1)?.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

fn serve_link(stream: TcpStream, shared: &Shared, fault: Fault) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let lines = head(&mut reader)?;
    let uid = query(&lines, "sendID")?;
    let platform = query(&lines, "platformID")?;
    assert_eq!(header(&lines, "sec-websocket-key"), Some(KEY));
    let upgrades = {
        let mut state = shared.lock().unwrap();
        state.upgrades += 1;
        state.upgrades
    };
    let unknown = query(&lines, "token")? != format!("token-{uid}");
    if unknown || (fault == Fault::RefuseUpgrade && upgrades == 2) {
        let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\nUnauthorized\n";
        return writer.write_all(answer.as_bytes()).ok();
    }
    {
        let mut state = shared.lock().unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        );
        writer.write_all(answer.as_bytes()).ok()?;
        let links = state.links.entry(uid.clone()).or_default();
        links.insert(platform, writer.try_clone().ok()?);
    }
    loop {
        let (opcode, payload) = take_masked(&mut reader)?;
        if opcode == 8 {
            return None;
        }
        if opcode != 1 {
            continue;
        }
        let request: Value = serde_json::from_slice(&payload).expect("the tool sends JSON");
        let mut state = shared.lock().unwrap();
        serve(&request, &uid, &mut writer, &mut state, fault)?;
    }
}

fn take_masked(reader: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut two = [0; 2];
    reader.read_exact(&mut two).ok()?;
    assert_eq!(two[1] & 0x80, 0x80, "client frames are masked");
    let length = match two[1] & 0x7F {
        126 => {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes).ok()?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes).ok()?;
            u64::from_be_bytes(bytes)
        }
        short => u64::from(short),
    };
    let mut mask = [0; 4];
    reader.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload).ok()?;
    payload.iter_mut().enumerate().for_each(|(index, byte)| *byte ^= mask[index % 4]);
    Some((two[0] & 0x0F, payload))
}

fn put_frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    match payload.len() {
        short @ 0..126 => out.push(short as u8),
        medium @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Every third message goes out in two fragments with a ping between them, which is allowed.
fn write(stream: &mut TcpStream, value: &Value, turn: u64) -> Option<()> {
    let text = value.to_string();
    let mut out = Vec::new();
    if turn.is_multiple_of(3) {
        let (one, two) = text.as_bytes().split_at(text.len() / 2);
        put_frame(&mut out, 0x01, one);
        put_frame(&mut out, 0x89, b"still there?");
        put_frame(&mut out, 0x80, two);
    } else {
        put_frame(&mut out, 0x81, text.as_bytes());
    }
    stream.write_all(&out).ok()
}

fn serve(
    request: &Value,
    uid: &str,
    writer: &mut TcpStream,
    state: &mut State,
    fault: Fault,
) -> Option<()> {
    let incr = request["msgIncr"].clone();
    let kind = request["reqIdentifier"].as_i64()?;
    let reply = |data: Value, code: i64, text: &str| {
        json!({"data": data, "errCode": code, "errMsg": text, "msgIncr": incr,
               "reqIdentifier": kind})
    };
    match kind {
        1001 => {
            state.messages += 1;
            if fault == Fault::ForgetProbe && state.messages == 2 {
                return Some(());
            }
            let seq = newest(uid, state);
            write(writer, &reply(json!({"seq": seq}), 0, ""), 1)
        }
        1002 => {
            let data = pulled(uid, &request["data"], state)?;
            write(writer, &reply(data, 0, ""), 3)
        }
        1003 => {
            state.messages += 1;
            let turn = state.messages;
            let now = if turn.is_multiple_of(EVERY) { fault } else { Fault::None };
            if now == Fault::Refuse {
                let data = json!({"clientMsgID": "", "serverMsgID": ""});
                return write(writer, &reply(data, 500, "not today"), 1);
            }
            if now == Fault::CloseLink {
                let mut out = Vec::new();
                put_frame(&mut out, 0x88, &[0x03, 0xE9]);
                writer.write_all(&out).ok()?;
                return None;
            }
            let data = &request["data"];
            let id = match data["sessionType"] == 2 {
                true => group::accept(data, uid, turn, now, state)?,
                false => accept(data, uid, turn, now, state)?,
            };
            let data = json!({"clientMsgID": request["data"]["clientMsgID"], "serverMsgID": id,
                              "sendTime": 1});
            if now != Fault::NoAck {
                write(writer, &reply(data, 0, ""), turn)?;
            }
            Some(())
        }
        _ => None,
    }
}

fn newest(uid: &str, state: &State) -> i64 {
    state.newest.get(uid).copied().unwrap_or(0)
}

/// The data of a pull of `range` from the inbox of `uid`.
fn pulled(uid: &str, range: &Value, state: &State) -> Option<Value> {
    let range = range["seqBegin"].as_i64()?..=range["seqEnd"].as_i64()?;
    let inbox = state.inboxes.get(uid).cloned().unwrap_or_default();
    let (group, single): (Vec<Value>, Vec<Value>) = inbox
        .into_iter()
        .filter(|message| range.contains(&message["seq"].as_i64().unwrap()))
        .partition(|message| message["sessionType"] == 2);
    let list = |messages: Vec<Value>| match messages.is_empty() {
        true => json!([]),
        false => json!([{"id": "x", "list": messages}]),
    };
    Some(json!({"single": list(single), "group": list(group)}))
}

/// Stores the message in both inboxes and pushes it; its id, the first one for a repeated send.
fn accept(data: &Value, uid: &str, turn: u64, now: Fault, state: &mut State) -> Option<String> {
    let client_id = format!("{uid} {}", data["clientMsgID"]);
    if let Some(id) = state.receipts.get(&client_id) {
        return Some(id.clone());
    }
    let id = format!("2021-05-26 20:50:33-{uid}-{turn}");
    state.receipts.insert(client_id, id.clone());
    let receiver = data["recvID"].as_str()?.to_owned();
    let mut message = json!({"sendID": uid, "recvID": receiver, "msgFrom": 100,
        "contentType": 101, "serverMsgID": id, "content": data["content"], "sendTime": 1,
        "senderPlatformID": 1, "sessionType": 1});
    let stored = data["options"]["history"] != 0;
    if stored {
        store(uid, message.clone(), Fault::None, state);
        store(&receiver, message.clone(), now, state);
        message["seq"] = json!(state.newest[&receiver]);
    } else {
        message["seq"] = json!(0);
    }
    match now {
        Fault::OtherIdInPush => message["serverMsgID"] = json!("another"),
        Fault::AlterContent => {
            let content = message["content"].as_str()?.replace('a', "A");
            message["content"] = json!(content);
        }
        Fault::DropPush => return Some(id),
        Fault::SwapPushes => {
            state.held = Some((receiver, message));
            return Some(id);
        }
        _ => {}
    }
    push(&receiver, &message, turn, state);
    if now == Fault::DoublePush {
        push(&receiver, &message, turn, state);
    }
    if state.held.as_ref().is_some_and(|(held_for, _)| *held_for == receiver) {
        let (_, held) = state.held.take()?;
        push(&receiver, &held, turn, state);
    }
    Some(id)
}

fn store(owner: &str, mut message: Value, now: Fault, state: &mut State) {
    let newest = state.newest.entry(owner.to_owned()).or_default();
    let inbox = state.inboxes.entry(owner.to_owned()).or_default();
    *newest += if now == Fault::SeqHole { 2 } else { 1 };
    message["seq"] = json!(*newest);
    if now != Fault::LoseStored {
        inbox.push(message.clone());
    }
    if now == Fault::DoubleStored {
        *newest += 1;
        message["seq"] = json!(*newest);
        inbox.push(message);
    }
}

fn push(receiver: &str, message: &Value, turn: u64, state: &mut State) {
    let frame = json!({"data": message, "errCode": 0, "errMsg": "", "reqIdentifier": 2001});
    for link in state.links.get_mut(receiver).into_iter().flat_map(HashMap::values_mut) {
        // A link that is gone misses the push and pulls it later.
        let _gone = write(link, &frame, turn);
    }
}
