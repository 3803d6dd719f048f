//! The JSON inside the frames: requests written from templates, answers and pushes read into
//! borrowed fields, and the mark in each message's content that says which message it is.
//!
//! In: flow names and numbers, or the payload of a frame. Out: bytes appended to a buffer, or a
//! typed view. No I/O, no clock. Depends on nothing that only one generation of the wire sends:
//! a push is recognised by its content, which every server treats as opaque.

use serde::Deserialize;
use std::borrow::Cow;
use std::io::Write;

/// `reqIdentifier` of a question for the newest seq.
pub(crate) const NEWEST_SEQ: i64 = 1001;
/// `reqIdentifier` of a pull by range.
pub(crate) const PULL: i64 = 1002;
/// `reqIdentifier` of a send.
pub(crate) const SEND: i64 = 1003;
/// `reqIdentifier` of a push.
pub(crate) const PUSH: i64 = 2001;
/// Content type of the notice that another login superseded this link.
pub(crate) const KICK_TIP: i64 = 303;

/// `sessionType` of a message to one user.
pub(crate) const SINGLE: i64 = 1;
/// `sessionType` of a message to a group.
pub(crate) const GROUP: i64 = 2;

/// Set in the `msgIncr` of every send, which makes it non-zero and tells sends from questions.
pub(crate) const SEND_BIT: u32 = 1 << 30;
/// The low bits of a message's number that its `msgIncr` carries.
pub(crate) const NUMBER_MASK: u32 = SEND_BIT - 1;

/// Answers and pushes: the union of the fields this tool reads.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Incoming<'a> {
    /// Which request this answers; 0 when the server did not say.
    #[serde(default, rename = "reqIdentifier")]
    pub(crate) request: i64,
    /// The `msgIncr` of the request; 0 when absent.
    #[serde(default, rename = "msgIncr")]
    pub(crate) incr: i64,
    /// 0, or why the request failed.
    #[serde(default, rename = "errCode")]
    pub(crate) code: i64,
    /// Text for people.
    #[serde(default, borrow, rename = "errMsg")]
    pub(crate) text: Cow<'a, str>,
    /// The body.
    #[serde(default, borrow)]
    pub(crate) data: Option<Body<'a>>,
}

/// Body of 1001, 1003 and 2001.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(default, borrow, rename = "serverMsgID")]
    pub(crate) server_id: Cow<'a, str>,
    #[serde(default, borrow, rename = "sendID")]
    pub(crate) sender: Cow<'a, str>,
    #[serde(default, borrow, rename = "recvID")]
    pub(crate) receiver: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(crate) content: Cow<'a, str>,
    #[serde(default, rename = "contentType")]
    pub(crate) content_type: i64,
    /// 1 single, 2 group; 0 in pulls, where the list says it.
    #[serde(default, rename = "sessionType")]
    pub(crate) session: i64,
    #[serde(default)]
    pub(crate) seq: i64,
    /// Whether the sender asked for this member's attention.
    #[serde(default, rename = "isEmphasize")]
    pub(crate) emphasized: bool,
}

/// Answer to 1002.
#[derive(Debug, Deserialize)]
pub(crate) struct Pulled<'a> {
    #[serde(borrow)]
    pub(crate) data: PulledBody<'a>,
}

/// Conversations of a pulled range.
#[derive(Debug, Deserialize)]
pub(crate) struct PulledBody<'a> {
    #[serde(default, borrow)]
    pub(crate) single: Vec<Conversation<'a>>,
    #[serde(default, borrow)]
    pub(crate) group: Vec<Conversation<'a>>,
}

impl<'a> PulledBody<'a> {
    /// All messages, whichever conversation they are in, by ascending seq.
    pub(crate) fn into_messages(self) -> Vec<Body<'a>> {
        let conversations = self.single.into_iter().chain(self.group);
        let mut messages: Vec<_> = conversations.flat_map(|one| one.list).collect();
        messages.sort_by_key(|message| message.seq);
        messages
    }
}

/// One conversation of a pulled range.
#[derive(Debug, Deserialize)]
pub(crate) struct Conversation<'a> {
    #[serde(default, borrow)]
    pub(crate) list: Vec<Body<'a>>,
}

/// Who speaks on a link: the part of every request that does not change.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    head: String,
}

impl Speaker {
    /// `uid` speaking with `token`.
    pub(crate) fn new(uid: &str, token: &str) -> Self {
        let (uid, token) = (quoted(uid), quoted(token));
        Self { head: format!("\"token\":{token},\"sendID\":{uid},\"operationID\":\"lt\"") }
    }

    fn open(&self, out: &mut Vec<u8>, request: i64, incr: u32) {
        put(out, format_args!("{{\"reqIdentifier\":{request},{},\"msgIncr\":{incr}", self.head));
    }

    /// Writes a question for the newest seq.
    pub(crate) fn newest_seq(&self, out: &mut Vec<u8>, incr: u32) {
        self.open(out, NEWEST_SEQ, incr);
        out.extend_from_slice(b",\"data\":{}}");
    }

    /// Writes a pull of `begin..=end`.
    pub(crate) fn pull(&self, out: &mut Vec<u8>, incr: u32, begin: i64, end: i64) {
        self.open(out, PULL, incr);
        put(out, format_args!(",\"data\":{{\"seqBegin\":{begin},\"seqEnd\":{end}}}}}"));
    }
}

/// What stays the same in all messages from one sender to one receiver.
#[derive(Clone, Debug)]
pub(crate) struct SendTemplate {
    head: Vec<u8>,
    after_incr: Vec<u8>,
    after_content: Vec<u8>,
}

impl SendTemplate {
    /// Text messages of `speaker` on `platform` to `receiver`; `options` is a JSON object.
    pub(crate) fn new(speaker: &Speaker, platform: u8, receiver: &str, options: &str) -> Self {
        Self::of_session(SINGLE, speaker, platform, receiver, options)
    }

    /// Text messages of `speaker` on `platform` to a group, stored and pushed.
    pub(crate) fn to_group(speaker: &Speaker, platform: u8, group: &str) -> Self {
        Self::of_session(GROUP, speaker, platform, group, "{}")
    }

    fn of_session(
        session: i64,
        speaker: &Speaker,
        platform: u8,
        receiver: &str,
        options: &str,
    ) -> Self {
        let receiver = quoted(receiver);
        Self {
            head: format!("{{\"reqIdentifier\":{SEND},{},\"msgIncr\":", speaker.head).into_bytes(),
            after_incr: format!(
                ",\"data\":{{\"platformID\":{platform},\"sessionType\":{session},\"msgFrom\":100,\
                 \"contentType\":101,\"recvID\":{receiver},\"forceList\":[],\"content\":"
            )
            .into_bytes(),
            after_content: format!(",\"options\":{options},\"offlineInfo\":{{}},\"clientMsgID\":")
                .into_bytes(),
        }
    }

    /// Writes the message that `mark` names; its `clientMsgID` is the mark too, so a repeated send
    /// is the same message to the server.
    pub(crate) fn marked(&self, out: &mut Vec<u8>, incr: u32, mark: Mark, content_bytes: usize) {
        out.extend_from_slice(&self.head);
        put_number(out, u64::from(incr));
        out.extend_from_slice(&self.after_incr);
        out.push(b'"');
        let start = out.len();
        mark.write(out);
        let id = start..out.len();
        pad(out, start, content_bytes);
        out.push(b'"');
        out.extend_from_slice(&self.after_content);
        out.push(b'"');
        out.extend_from_within(id);
        out.extend_from_slice(b"\"}}");
    }

    /// Writes a message with any content.
    pub(crate) fn text(&self, out: &mut Vec<u8>, incr: u32, content: &str, client_id: &str) {
        out.extend_from_slice(&self.head);
        put_number(out, u64::from(incr));
        out.extend_from_slice(&self.after_incr);
        out.extend_from_slice(quoted(content).as_bytes());
        out.extend_from_slice(&self.after_content);
        out.extend_from_slice(quoted(client_id).as_bytes());
        out.extend_from_slice(b"}}");
    }
}

/// Names one message of one run: begins its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Tells this run's messages from those of others, which may sit in the same inboxes.
    pub(crate) run: u32,
    /// Sender and receiver.
    pub(crate) flow: u32,
    /// Number within the flow, from 0.
    pub(crate) number: u64,
}

const FILLING: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

impl Mark {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"lt.");
        put_number(out, u64::from(self.run));
        out.push(b'.');
        put_number(out, u64::from(self.flow));
        out.push(b'.');
        put_number(out, self.number);
        out.push(b'.');
    }

    /// Reads the mark of `content`; `None` for text that this tool did not write.
    pub(crate) fn read(content: &str) -> Option<Self> {
        let mut parts = content.strip_prefix("lt.")?.splitn(4, '.');
        let run = parts.next()?.parse().ok()?;
        let flow = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        parts.next()?;
        Some(Self { run, flow, number })
    }

    /// Whether `content` is, byte for byte, what this mark's message was sent with.
    pub(crate) fn fits(self, content: &str, content_bytes: usize, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        self.write(scratch);
        pad(scratch, 0, content_bytes);
        scratch.as_slice() == content.as_bytes()
    }
}

/// Fills up to `content_bytes` counted from `start`; a mark that is longer stays whole.
fn pad(out: &mut Vec<u8>, start: usize, content_bytes: usize) {
    let mut missing = content_bytes.saturating_sub(out.len() - start);
    while missing > 0 {
        let piece = missing.min(FILLING.len());
        out.extend_from_slice(&FILLING[..piece]);
        missing -= piece;
    }
}

/// `text` as a JSON string with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to memory cannot fail");
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A 64-bit print of a server message id, so that ids can be compared without being kept.
pub(crate) fn print_of(id: &str) -> u64 {
    let mut state = 0xA076_1D64_78BD_642F_u64 ^ id.len() as u64;
    let mut chunks = id.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        let word: [u8; 8] = chunk.try_into().expect("chunks of eight");
        state = mix(state, u64::from_le_bytes(word));
    }
    let mut tail = [0u8; 8];
    tail[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(state, u64::from_le_bytes(tail))
}

/// Folds a product of 128 bits; both halves depend on all input bits.
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let product =
        u128::from(left ^ 0xE703_7ED1_A0B4_28DB) * u128::from(right ^ 0x8EBC_6AF0_9C88_C6E3);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_marked_send_is_valid_json_with_all_required_fields() {
        let speaker = Speaker::new("al\"ice", "tok");
        let template = SendTemplate::new(&speaker, 1, "bob", "{}");
        let mark = Mark { run: 9, flow: 3, number: 70_000 };
        let mut out = Vec::new();
        template.marked(&mut out, 5, mark, 200);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["reqIdentifier"], 1003);
        assert_eq!(value["sendID"], "al\"ice");
        assert_eq!(value["msgIncr"], 5);
        let data = &value["data"];
        for required in ["forceList", "options", "offlineInfo", "platformID", "msgFrom"] {
            assert!(!data[required].is_null(), "{required}");
        }
        let content = data["content"].as_str().unwrap();
        assert_eq!(content.len(), 200);
        assert_eq!(Mark::read(content), Some(mark));
        assert!(mark.fits(content, 200, &mut Vec::new()));
        assert!(!mark.fits(&content.replace('z', "y"), 200, &mut Vec::new()));
        assert_eq!(data["clientMsgID"], "lt.9.3.70000.");
    }

    #[test]
    fn contents_of_other_programs_carry_no_mark() {
        for content in ["", "hello", "lt.", "lt.1.2", "lt.1.2.3", "lt.x.2.3.", "lt.1.2.-3.rest"] {
            assert_eq!(Mark::read(content), None, "{content}");
        }
    }

    #[test]
    fn answers_pushes_and_bare_errors_are_read() {
        let ack = r#"{"data":{"clientMsgID":"c","serverMsgID":"s\u00e9","sendTime":7},"errCode":0,
                      "errMsg":"","msgIncr":3,"reqIdentifier":1003}"#;
        let read: Incoming<'_> = serde_json::from_str(ack).unwrap();
        assert_eq!((read.request, read.incr, read.code), (SEND, 3, 0));
        assert_eq!(read.data.unwrap().server_id, "sé");
        let bare: Incoming<'_> =
            serde_json::from_str(r#"{"errCode":202,"errMsg":"token validate err"}"#).unwrap();
        assert_eq!((bare.request, bare.code), (0, 202));
        let null: Incoming<'_> = serde_json::from_str(r#"{"data":null,"errCode":1}"#).unwrap();
        assert!(null.data.is_none());
    }

    #[test]
    fn a_pull_comes_in_the_order_of_seq_across_conversations() {
        let text = r#"{"data":{"group":[],"single":[
            {"id":"b","list":[{"seq":1,"content":"x","serverMsgID":"1"},{"seq":4}]},
            {"id":"c","list":[{"seq":3},{"seq":2}]}],"maxSeq":4,"minSeq":1},"errCode":0}"#;
        let pulled: Pulled<'_> = serde_json::from_str(text).unwrap();
        let seqs: Vec<_> = pulled.data.into_messages().iter().map(|one| one.seq).collect();
        assert_eq!(seqs, [1, 2, 3, 4]);
    }

    #[test]
    fn requests_are_valid_json() {
        let speaker = Speaker::new("u", "t");
        let mut out = Vec::new();
        speaker.newest_seq(&mut out, 1);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["reqIdentifier"], 1001);
        out.clear();
        speaker.pull(&mut out, 2, 3, 5);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["data"]["seqEnd"], 5);
        out.clear();
        SendTemplate::new(&speaker, 7, "v", "{}").text(&mut out, 9, "say \"hi\"\n", "id");
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["data"]["content"], "say \"hi\"\n");
    }

    #[test]
    fn prints_tell_similar_ids_apart() {
        let ids = ["", "a", "aa", "2021-05-26 20:50:33-alice-1", "2021-05-26 20:50:33-alice-2"];
        let prints: std::collections::HashSet<u64> = ids.iter().map(|id| print_of(id)).collect();
        assert_eq!(prints.len(), ids.len());
    }
}
