//! Messages for the suites.

use openim_record::{Message, MessageKey, Switches};

/// What a suite chooses about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Makes the message unlike the others.
    pub number: u64,
    /// Length of its text.
    pub content_bytes: usize,
    /// Whether it belongs into the archive.
    pub persistent: bool,
}

impl Sample {
    /// A short, archived message.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self { number, content_bytes: 24, persistent: true }
    }
}

/// The sample as it lies in a log.
#[must_use]
pub fn encoded(sample: Sample) -> Vec<u8> {
    let Sample { number, content_bytes, persistent } = sample;
    let client_msg_id = format!("m{number}");
    let content: String =
        (0..content_bytes as u64).map(|at| char::from(b'a' + ((at + number) % 26) as u8)).collect();
    let message = Message {
        key: MessageKey::new("alice", 1, "bob", &client_msg_id),
        send_time_ns: number as i64,
        switches: Switches { persistent, ..Switches::ON },
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        send_id: "alice",
        recv_id: "bob",
        client_msg_id: &client_msg_id,
        sender_nick_name: "",
        sender_face_url: "",
        offline_info: "",
        content: &content,
    };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}
