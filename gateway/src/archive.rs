//! `openim archive`: the permanent chat log as JSON, one message a line.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_protocol::json;
use openim_record::{Message, Position};
use openim_storage::embedded::{ArchiveReader, Salvaged, Span};

use crate::{console, moment};

/// Between two looks for what has come.
const LOOK: Duration = Duration::from_millis(200);

/// Which messages of the archive are asked for.
///
/// Prints the messages whose `persistent` switch was on, in the order they were sent. A server may run on the directory, and
/// does not notice: what is printed is what it has on the disk, and the disk is left to it most of the time. Filters given
/// together must all be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Query {
    /// The server's data directory; run this as the server's user
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Messages that this user has sent, and those of single chats that were sent to them
    #[arg(long, value_name = "UID")]
    pub user: Option<String>,
    /// Of these only the single chat with this other user
    #[arg(long, value_name = "UID", requires = "user", conflicts_with = "group")]
    pub with: Option<String>,
    /// Messages to this group
    #[arg(long, value_name = "GID")]
    pub group: Option<String>,
    /// Sent at this time or later, by the server's clock: 2021-06-30, 2021-06-30T12:30:00Z (UTC), or unix milliseconds, as
    /// appendTimeMs of each line shows them
    #[arg(long = "since", value_name = "TIME", value_parser = moment::in_utc, allow_hyphen_values = true)]
    pub since_ms: Option<i64>,
    /// Sent before this time
    #[arg(long = "until", value_name = "TIME", value_parser = moment::in_utc, conflicts_with = "follow", allow_hyphen_values = true)]
    pub until_ms: Option<i64>,
    /// Whose content has this in it, in capitals or not
    #[arg(long)]
    pub text: Option<String>,
    /// Position in the log to begin at; each line shows its own
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub from: u64,
    /// Messages printed at most [default: all]
    #[arg(long = "limit", value_name = "N")]
    pub messages_max: Option<usize>,
    /// Go on with what comes, until this is ended
    #[arg(long)]
    pub follow: bool,
}

/// Prints the archived messages that are asked for. What cannot be read is told on standard error, by file and offset, and
/// everything else is printed all the same.
///
/// # Errors
/// When the directory cannot be read, when the output takes nothing, or, at the end, when something of the archive
/// could not be read. A reader that has left is no error.
pub fn print(query: &Query) -> anyhow::Result<()> {
    let opened = match query.follow {
        true => ArchiveReader::beside(&query.data_dir)?,
        false => ArchiveReader::open(&query.data_dir)?,
    };
    let Some(mut archive) = opened else {
        bail!(
            "{}: no data of openim is here; --data-dir is the server's embedded.dataDir",
            query.data_dir.display()
        );
    };
    let mut printing = Printing {
        filter: Filter::of(query),
        left: query.messages_max.unwrap_or(usize::MAX),
        out: io::BufWriter::new(io::stdout().lock()),
        line: Vec::new(),
        written: Ok(()),
        lost: 0,
    };
    let mut span =
        Span { from: Position(query.from), since_ms: query.since_ms, until_ms: query.until_ms };
    while printing.left > 0 && printing.written.is_ok() {
        span.from = archive.scan(&span, &mut |found| printing.take(found))?;
        if printing.written.is_ok() {
            printing.written = printing.out.flush();
        }
        if !query.follow {
            break;
        }
        std::thread::sleep(LOOK);
    }
    console::unless_left(printing.written).context("cannot write to standard output")?;
    let lost = printing.lost;
    if lost > 0 {
        bail!("{lost} places of the log cannot be read, see above; everything else was printed");
    }
    Ok(())
}

struct Printing<'q> {
    filter: Filter<'q>,
    /// Messages that are still printed.
    left: usize,
    out: io::BufWriter<io::StdoutLock<'static>>,
    line: Vec<u8>,
    written: io::Result<()>,
    /// Places that cannot be read.
    lost: u64,
}

impl Printing<'_> {
    fn take(&mut self, found: Salvaged<'_>) -> ControlFlow<()> {
        let archived = match found {
            Salvaged::Message(archived) => archived,
            Salvaged::Lost(what) => {
                self.lost += 1;
                console::complain(&what.to_string());
                return ControlFlow::Continue(());
            }
        };
        let Ok(message) = Message::decode(archived.record) else {
            self.lost += 1;
            let position = archived.position;
            console::complain(&format!("the record at {position} is no message of this version"));
            return ControlFlow::Continue(());
        };
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        if !self.filter.has(&message) {
            return ControlFlow::Continue(());
        }
        self.left -= 1;
        self.line.clear();
        write(&mut self.line, archived.position, archived.append_ms, &message);
        self.written = self.out.write_all(&self.line);
        match self.written.is_ok() && self.left > 0 {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// Whose messages, and what is in them.
struct Filter<'q> {
    query: &'q Query,
    /// In small letters.
    text: Option<String>,
}

impl<'q> Filter<'q> {
    fn of(query: &'q Query) -> Self {
        Self { query, text: query.text.as_deref().map(str::to_lowercase) }
    }

    fn has(&self, message: &Message<'_>) -> bool {
        let Query { user, with, group, .. } = self.query;
        let is_to_group = message.is_to_group();
        let (sender, receiver) = (message.send_id, message.recv_id);
        let of_user = user.as_ref().is_none_or(|user| match with {
            Some(with) => {
                let pair = [(user, with), (with, user)];
                !is_to_group && pair.iter().any(|(from, to)| sender == *from && receiver == *to)
            }
            None => sender == user || (!is_to_group && receiver == user),
        });
        let of_group = group.as_ref().is_none_or(|group| is_to_group && receiver == group);
        let with_text =
            || self.text.as_ref().is_none_or(|text| message.content.to_lowercase().contains(text));
        of_user && of_group && with_text()
    }
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

#[cfg(test)]
mod tests {
    use openim_record::SESSION_GROUP;

    use super::*;

    #[test]
    fn filters_find_what_they_say() {
        let single = |send_id, recv_id| Message {
            session_type: 1,
            send_id,
            recv_id,
            content: "Grüße, Bob",
            ..Message::BLANK
        };
        let all = [
            single("alice", "bob"),
            single("bob", "alice"),
            single("carol", "alice"),
            Message { session_type: SESSION_GROUP, ..single("alice", "bob") },
        ];
        let found = |query: Query| {
            let filter = Filter::of(&query);
            all.iter().map(|message| filter.has(message)).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        for (query, expected) in [
            (Query::default(), [true; 4]),
            (Query { user: some("alice"), ..Query::default() }, [true; 4]),
            (Query { user: some("bob"), ..Query::default() }, [true, true, false, false]),
            (
                Query { user: some("bob"), with: some("alice"), ..Query::default() },
                [true, true, false, false],
            ),
            (Query { group: some("bob"), ..Query::default() }, [false, false, false, true]),
            (
                Query { group: some("bob"), user: some("carol"), ..Query::default() },
                [false, false, false, false],
            ),
            (Query { text: some("GRÜSSE"), ..Query::default() }, [false; 4]),
            (Query { text: some("grüße, b"), ..Query::default() }, [true; 4]),
        ] {
            assert_eq!(found(query.clone()), expected, "{query:?}");
        }
    }
}
