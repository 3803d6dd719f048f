//! `openim archive`: the permanent chat log as JSON, one message a line.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, bail};
use openim_protocol::json;
use openim_record::{Message, Position};
use openim_storage::embedded::{ArchiveReader, Salvaged};

use crate::console;

/// Prints archived messages at or after `from`, `messages_max` at most. What cannot be read is told on
/// standard error, by file and offset, and everything else is printed all the same.
///
/// # Errors
/// When the directory is in use or cannot be read, when the output takes nothing, or, at the end, when
/// something of the archive could not be read. A reader that has left is no error.
pub fn print(data_dir: &Path, from: u64, messages_max: Option<usize>) -> anyhow::Result<()> {
    let Some(archive) = ArchiveReader::open(data_dir)? else {
        bail!(
            "{}: no data of openim is here; --data-dir is the server's embedded.dataDir",
            data_dir.display()
        );
    };
    let mut left = messages_max.unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(());
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    let mut written = Ok(());
    let mut lost = 0_u64;
    archive.scan(Position(from), &mut |found| {
        let archived = match found {
            Salvaged::Message(archived) => archived,
            Salvaged::Lost(what) => {
                lost += 1;
                console::complain(&what.to_string());
                return ControlFlow::Continue(());
            }
        };
        let Ok(message) = Message::decode(archived.record) else {
            lost += 1;
            console::complain(&format!(
                "the record at {} is no message of this version",
                archived.position
            ));
            return ControlFlow::Continue(());
        };
        left -= 1;
        line.clear();
        write(&mut line, archived.position, archived.append_ms, &message);
        written = out.write_all(&line);
        if written.is_ok() && left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let written = written.and_then(|()| out.flush());
    console::unless_left(written).context("cannot write to standard output")?;
    if lost > 0 {
        bail!("{lost} places of the log cannot be read, see above; everything else was printed");
    }
    Ok(())
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
