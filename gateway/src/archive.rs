//! `openim archive`: the permanent chat log as JSON, one message a line.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use openim_protocol::json;
use openim_record::{Message, Position};
use openim_storage::embedded::{self, Options};
use openim_storage::port::Archive as _;

use crate::console;

/// Messages read at a time.
const STEP: usize = 1000;

/// Prints archived messages at or after `from`, `messages_max` at most.
///
/// # Errors
/// When the directory is in use or cannot be read, or the output takes nothing. A reader that has left is
/// no error.
pub fn print(data_dir: &Path, from: u64, messages_max: Option<usize>) -> anyhow::Result<()> {
    let Some(placement) = embedded::stored_placement(data_dir)? else {
        anyhow::bail!(
            "{}: no data of openim is here; --data-dir is the server's embedded.dataDir",
            data_dir.display()
        );
    };
    let options = Options { partitions: placement.partitions(), ..Options::default() };
    let storage = embedded::open(data_dir, &options)?;
    let mut left = messages_max.unwrap_or(usize::MAX);
    let mut next = Some(Position(from));
    // Not buffered: every write is of a whole step.
    let mut out = io::stdout().lock();
    let mut line = Vec::new();
    while let Some(from) = next.filter(|_| left > 0) {
        line.clear();
        let mut shown = 0;
        next = storage.archive.scan(from, left.min(STEP), &mut |archived| {
            shown += 1;
            if let Ok(message) = Message::decode(archived.record) {
                write(&mut line, archived.position, archived.append_ms, &message);
            }
        })?;
        left -= shown;
        match out.write_all(&line) {
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write to standard output")?,
        }
    }
    console::unless_left(out.flush()).context("cannot write to standard output")
}

/// The columns of the original's `chat_log` (spec, REST 3.1), and where the message lies.
fn write(out: &mut Vec<u8>, position: Position, append_ms: i64, message: &Message<'_>) {
    let numbers = [
        ("position", i64::try_from(position.0).unwrap_or(i64::MAX)),
        ("appendTimeMs", append_ms),
        ("sessionType", message.session_type.into()),
        ("contentType", message.content_type.into()),
        ("msgFrom", message.msg_from.into()),
        ("senderPlatformID", message.sender_platform_id.into()),
        ("sendTimeNs", message.send_time_ns),
    ];
    let server_id = message.key.server_id(message.send_id);
    let texts = [
        ("serverMsgID", server_id.as_str()),
        ("sendID", message.send_id),
        ("recvID", message.recv_id),
        ("clientMsgID", message.client_msg_id),
        ("content", message.content),
    ];
    out.push(b'{');
    for (name, number) in numbers {
        json::string(out, name);
        out.push(b':');
        json::integer(out, number);
        out.push(b',');
    }
    for (index, (name, text)) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::string(out, name);
        out.push(b':');
        json::string(out, text);
    }
    out.extend_from_slice(b"}\n");
}
