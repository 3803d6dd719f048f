//! `openim messages`: the newest messages in an inbox, who sent them to whom, and when.

use anyhow::Context as _;
use serde_json::Value;

use super::Desk;
use super::sheet::{columns, each, line, moment, plain, text};
use crate::console;

/// Which messages are asked for.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Inbox {
    /// Whose inbox
    #[arg(value_name = "UID")]
    pub uid: String,
    /// Those to this group alone
    #[arg(long, value_name = "ID")]
    pub group: Option<String>,
    /// Those with lower seqs than this; the line at the end of an answer says it
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
    pub count: u64,
}

/// Prints them, the newest first.
///
/// # Errors
/// One line of why there is no answer.
pub fn messages(desk: &Desk, which: &Inbox) -> anyhow::Result<()> {
    let Inbox { uid, group, before, count } = which;
    let (before, count) = (before.unwrap_or(0).to_string(), count.to_string());
    let group = group.as_deref().unwrap_or_default();
    let asked = [("uid", uid.as_str()), ("group", group), ("before", &before), ("count", &count)];
    let told = desk.ask("messages", &asked).with_context(|| plain(uid))?;
    console::print(&if desk.as_json { line(&told) } else { list(&told) })
}

fn list(told: &Value) -> String {
    let head = ["SEQ", "SENT", "FROM", "TO", "TYPE", "CLIENTMSGID"].map(str::to_owned).to_vec();
    let rows = each(&told["messages"]).map(|message| {
        let [from, to, id] = ["from", "to", "clientMsgID"].map(|key| text(&message[key]));
        let to = if message["isGroup"] == true { format!("group {to}") } else { to };
        let [seq, kind] = ["seq", "type"].map(|key| message[key].to_string());
        vec![seq, moment(&message["sent"]), from, to, kind, id]
    });
    let table = columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    match told["next"].as_u64() {
        Some(next) => format!("{table}there may be more: --before {next}\n"),
        None => table,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_a_line_each() {
        let told = json!({
            "uid": "bob",
            "messages": [
                { "seq": 8, "sent": 0, "from": "alice", "to": "g1", "isGroup": true, "type": 101, "clientMsgID": "m\u{7}2" },
                { "seq": 7, "sent": 0, "from": "alice", "to": "bob", "isGroup": false, "type": 101, "clientMsgID": "m1" },
            ],
            "next": 7,
        });
        let shown = list(&told);
        for line in [
            "8    1970-01-01 00:00:00 UTC  alice  group g1  101   m\u{fffd}2",
            "7    1970-01-01 00:00:00 UTC  alice  bob       101   m1",
            "there may be more: --before 7",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
    }
}
