//! Feeds a reader the way a link does, and records what it said.

use openim_protocol::frame::{Event, HEADER_BYTES_MAX, Reader, Side, Step};

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// Without the final bit, text and binary begin a fragmented message.
pub(crate) const TEXT_PART: u8 = 0x01;
pub(crate) const BINARY_PART: u8 = 0x02;
pub(crate) const MORE_PART: u8 = 0x00;
pub(crate) const LAST_PART: u8 = 0x80;

/// What a reader reported, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// The stream was refused with this close code.
    Refused(u16),
}

/// A frame as a client sends it: `first` is the byte of final bit and opcode.
pub(crate) fn masked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = [0xa5, 0x01, 0xfe, 0x3c];
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame as a server sends it.
pub(crate) fn plain(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut frame = header(first, 0, payload.as_ref().len());
    frame.extend(payload.as_ref());
    frame
}

fn header(first: u8, mask_bit: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    if length < 126 {
        header.push(mask_bit | length as u8);
    } else if length < 65_536 {
        header.push(mask_bit | 126);
        header.extend((length as u16).to_be_bytes());
    } else {
        header.push(mask_bit | 127);
        header.extend((length as u64).to_be_bytes());
    }
    header
}

/// Feeds `stream` in parts that end at `cuts`, keeping what a partial frame leaves, and reports until
/// a close frame or a refusal.
pub(crate) fn drive(side: Side, limit: u32, stream: &[u8], cuts: &[usize]) -> Vec<Said> {
    let mut reader = Reader::new(side, limit);
    let mut said = Vec::new();
    let mut unread: Vec<u8> = Vec::new();
    let mut fed = 0;
    for &cut in cuts.iter().chain([&stream.len()]) {
        unread.extend(&stream[fed..cut]);
        fed = cut;
        let mut at = 0;
        loop {
            let before = unread[at..].to_vec();
            match reader.next(&mut unread[at..]) {
                Ok(Step::Event { event, consumed }) => {
                    assert!(consumed <= before.len());
                    at += consumed;
                    said.push(own(event));
                    if matches!(said.last(), Some(Said::Close(..))) {
                        return said;
                    }
                }
                Ok(Step::Progress { consumed }) => {
                    assert!(consumed >= 2 && consumed <= before.len());
                    at += consumed;
                }
                Ok(Step::More { wanted }) => {
                    assert!(wanted > before.len(), "asks for what it already has");
                    assert!(wanted <= limit.max(125) as usize + HEADER_BYTES_MAX);
                    assert_eq!(unread[at..], before, "bytes left behind stay as they were");
                    break;
                }
                Err(error) => {
                    said.push(Said::Refused(error.close_code()));
                    return said;
                }
            }
        }
        unread.drain(..at);
        if !reader.is_assembling() {
            assert_eq!(reader.heap_bytes(), 0, "a reader between messages holds no memory");
        }
        assert!(reader.heap_bytes() <= limit as usize + 64);
    }
    said
}

fn own(event: Event<'_>) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text was validated");
    match event {
        Event::Message { text: true, payload } => Said::Text(text(payload)),
        Event::Message { text: false, payload } => Said::Binary(payload.to_vec()),
        Event::Ping(payload) => Said::Ping(payload.to_vec()),
        Event::Pong(payload) => Said::Pong(payload.to_vec()),
        Event::Close { code, reason } => Said::Close(code, text(reason)),
    }
}
