//! `openim why`: why somebody did not get a message, by command.
//!
//! In: what is asked. Out: what the running server says of it, over its operators' port.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::console;
use crate::copying::{From, WHY};
use crate::query::escaped;

/// What `openim why` asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Query {
    /// Who did not get it
    #[arg(value_name = "UID")]
    pub uid: String,
    /// Its clientMsgID or serverMsgID, or its seq in the user's inbox: 7 or seq:7
    ///
    /// A clientMsgID of up to ten digits is id:7.
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// About this device alone: 1 iOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub platform: Option<u8>,
    /// Who sent it
    ///
    /// Needed for a message that is not in the user's inbox, unless MESSAGE is a serverMsgID.
    #[arg(long, value_name = "UID")]
    pub sender: Option<String>,
    /// About when it was sent, unix milliseconds: it is looked for there first, however long ago
    #[arg(long = "near", value_name = "MS")]
    pub near_ms: Option<i64>,
    /// Print the answer of the server as it is
    #[arg(long)]
    pub json: bool,
}

/// Asks a running server, and prints what it says.
///
/// # Errors
/// One line of what stands in the way.
pub fn run(query: &Query, from: &From<'_>) -> anyhow::Result<()> {
    let mut path = format!("{WHY}?uid={}&message={}", escaped(&query.uid), escaped(&query.message));
    if let Some(platform) = query.platform {
        let _infallible = write!(path, "&platform={platform}");
    }
    if let Some(sender) = &query.sender {
        let _infallible = write!(path, "&sender={}", escaped(sender));
    }
    if let Some(near_ms) = query.near_ms {
        let _infallible = write!(path, "&near={near_ms}");
    }
    let text = from.remote(None)?.text(&path)?;
    if query.json {
        return console::print(&format!("{}\n", console::plain_json(&text)));
    }
    let answer: Value = serde_json::from_str(&text).context("the server answers no JSON")?;
    let (Some(reason), Some(words)) =
        (answer["data"]["reason"].as_str(), answer["data"]["text"].as_str())
    else {
        bail!("the server answers something else: {}", console::plain(&text))
    };
    let message = &answer["data"]["message"];
    let known = message["serverMsgID"].as_str().map(|id| {
        // A clientMsgID is what its client has put there.
        let of = |key: &str| console::plain(message[key].as_str().unwrap_or_default());
        let [client, sender, receiver] = ["clientMsgID", "sendID", "recvID"].map(of);
        format!("  {client} from {sender} to {receiver}, {}\n", console::plain(id))
    });
    let told = console::plain(&format!("{reason}: {words}"));
    console::print(&format!("{told}\n{}", known.unwrap_or_default()))
}
