//! `openim top`: what a running server does, once a second, as the console's page Live tells it.
//!
//! In: the texts of `/console/api/live`. Out: a screen each, or a line of JSON. Bounded: bytes of one text. The server makes each
//! text once for all who listen, and asks no shard for it.

use std::cmp::Reverse;
use std::io::IsTerminal as _;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::Value;

use super::sheet::{bytes, columns, each, line, moment, platform, text};
use super::{Desk, api, told};
use crate::console;

/// A text of a server with very many shards is far shorter.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Begins a screen anew.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// By what shards are sorted; the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Their numbers.
    #[default]
    Shard,
    /// Open links.
    Links,
    /// Messages acknowledged.
    Messages,
    /// Messages pushed.
    Deliveries,
    /// Tokens given.
    Logins,
    /// Bytes that came.
    In,
    /// Bytes that went.
    Out,
}

impl Sort {
    const fn key(self) -> &'static str {
        match self {
            Self::Shard => "",
            Self::Links => "links",
            Self::Messages => "messages",
            Self::Deliveries => "deliveries",
            Self::Logins => "logins",
            Self::In => "bytesIn",
            Self::Out => "bytesOut",
        }
    }
}

/// How it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Of shards.
    pub sort: Sort,
    /// One look, of a whole second.
    pub once: bool,
}

/// Shows what the server does until it is ended.
///
/// # Errors
/// One line: nobody answers, or not any more.
pub fn top(desk: &Desk, how: Top) -> anyhow::Result<()> {
    let (mut texts, mut printed) = (Texts::default(), Ok(true));
    let mut looks = 0_usize;
    let clears = std::io::stdout().is_terminal() && !how.once && !desk.as_json;
    let path = api("live");
    let heard = desk.place.listen(&path, &[("authorization", &desk.shown())], |piece| {
        for look in texts.take(piece) {
            looks += 1;
            // The first one may be of a part of a second.
            if how.once && looks < 2 {
                continue;
            }
            let shown = match desk.as_json {
                true => line(&look),
                false => screen(&look, how.sort),
            };
            let clear = if clears { CLEAR } else { "" };
            let gap = if clears || desk.as_json || how.once { "" } else { "\n" };
            printed = console::show(&format!("{clear}{shown}{gap}"));
            if how.once || !matches!(printed, Ok(true)) {
                return false;
            }
        }
        !texts.is_too_long()
    });
    let heard = heard.map_err(|cause| desk.unanswered(cause))?;
    printed?;
    if heard.status != 200 {
        desk.understands(&heard)?;
        return told(&heard).map(drop);
    }
    if texts.is_too_long() {
        bail!("{}: it does not answer as a console", desk.place.url());
    }
    Ok(())
}

/// Texts out of a stream of server-sent events.
#[derive(Default)]
struct Texts(Vec<u8>);

impl Texts {
    fn is_too_long(&self) -> bool {
        self.0.len() > TEXT_BYTES_MAX
    }

    /// Those that are whole now.
    fn take(&mut self, piece: &[u8]) -> Vec<Value> {
        self.0.extend_from_slice(piece);
        let mut whole = Vec::new();
        while let Some(end) = self.0.windows(2).position(|window| window == b"\n\n") {
            let event: Vec<u8> = self.0.drain(..end + 2).collect();
            let data = event.strip_prefix(b"data: ").unwrap_or_default();
            whole.extend(serde_json::from_slice::<Value>(data).ok());
        }
        whole
    }
}

fn rate(value: &Value) -> String {
    format!("{:.1}", value.as_f64().unwrap_or(0.0))
}

fn ms(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2} ms"))
}

fn screen(look: &Value, sort: Sort) -> String {
    let total = &look["total"];
    let times = |name: &str| {
        format!("{name} p50 {}, p99 {}", ms(&look[name]["p50"]), ms(&look[name]["p99"]))
    };
    let head = format!(
        "{}, {}; cpu {} %, memory {}\n{} links, {} opened/s, {} logins/s\n{} messages/s, {} refused/s, {} deliveries/s; {} in/s, {} out/s\n{}; {}\n",
        moment(&look["at"]),
        text(&look["stage"]),
        rate(&look["cpu"]),
        bytes(&look["memory"]["resident"]),
        total["links"],
        rate(&total["opened"]),
        rate(&total["logins"]),
        rate(&total["messages"]),
        rate(&total["refused"]),
        rate(&total["deliveries"]),
        bytes(&total["bytesIn"]),
        bytes(&total["bytesOut"]),
        times("send"),
        times("flush"),
    );
    format!("{head}\n{}\n{}{}", shards(look, sort), slow(look), wrong(look))
}

/// The last lines of the log that tell of something wrong.
fn wrong(look: &Value) -> String {
    let lines = each(&look["wrong"])
        .map(|line| format!("{} {}\n", text(&line["level"]), text(&line["text"])));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\nWRONG\n{lines}") }
}

/// A shard's number, and for how long it answers nobody.
fn name(number: usize, shard: &Value) -> String {
    match shard["stuck"].as_u64().unwrap_or(0) {
        0 => number.to_string(),
        seconds => format!("{number} no answer for {seconds} s"),
    }
}

fn shards(look: &Value, sort: Sort) -> String {
    let mut all: Vec<(usize, &Value)> = each(&look["shards"]).enumerate().collect();
    // Those that are the same stay in the order of their numbers.
    all.sort_by_key(|(_, shard)| {
        Reverse((shard[sort.key()].as_f64().unwrap_or(0.0) * 100.0) as u64)
    });
    let names = [
        "SHARD",
        "LINKS",
        "MESSAGES/S",
        "REFUSED/S",
        "DELIVERIES/S",
        "LOGINS/S",
        "IN/S",
        "OUT/S",
        "SEND P99",
    ];
    let rows = all.iter().map(|(number, shard)| {
        let rates = ["messages", "refused", "deliveries", "logins"].map(|key| rate(&shard[key]));
        let mut row = vec![name(*number, shard), shard["links"].to_string()];
        row.extend(rates);
        row.extend(["bytesIn", "bytesOut"].map(|key| bytes(&shard[key])));
        row.push(ms(&shard["send"]["p99"]));
        row
    });
    let head = names.map(str::to_owned).to_vec();
    columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn slow(look: &Value) -> String {
    let head = ["SLOW LINKS", "PLATFORM", "WAITING"].map(str::to_owned).to_vec();
    let rows = each(&look["slow"])
        .map(|link| vec![text(&link["uid"]), platform(&link["platform"]), bytes(&link["bytes"])]);
    let rows: Vec<Vec<String>> = rows.collect();
    match rows.is_empty() {
        true => "no slow links\n".to_owned(),
        false => columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_put_together() {
        let mut texts = Texts::default();
        assert_eq!(texts.take(b"data: {\"a\""), Vec::<Value>::new());
        assert_eq!(texts.take(b":1}\n\nnothing\n\ndata: 2\n\nda"), [json!({ "a": 1 }), json!(2)]);
        assert!(!texts.is_too_long());
        texts.take(&vec![b'x'; TEXT_BYTES_MAX]);
        assert!(texts.is_too_long());
    }

    #[test]
    fn a_look_is_a_screen() {
        let shard = |links: u64, messages: f64| {
            json!({
                "links": links, "messages": messages, "refused": 0, "deliveries": 1, "logins": 0,
                "bytesIn": 0, "bytesOut": 1500, "send": { "p99": null },
            })
        };
        let mut stuck = shard(1, 2.0);
        stuck["stuck"] = 12.into();
        let look = json!({
            "at": 0, "stage": "serving", "cpu": 1.5, "memory": { "resident": 5e7 },
            "total": shard(5, 3.0), "send": { "p50": 1.0, "p99": 2.5 }, "flush": {},
            "shards": [shard(4, 1.0), stuck],
            "wrong": [{ "number": 7, "level": "WARN", "text": "the disk\u{1b}[2J is full" }],
            "slow": [{ "uid": "bob", "platform": 2, "bytes": 2_000_000 }],
        });
        let rows = |sort| {
            let shown = screen(&look, sort);
            let rows = shown.lines().skip_while(|line| !line.starts_with("SHARD")).skip(1).take(2);
            rows.map(|row| row.split_whitespace().next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(rows(Sort::Shard), ["0", "1"]);
        assert_eq!(rows(Sort::Links), ["0", "1"]);
        assert_eq!(rows(Sort::Messages), ["1", "0"]);
        let shown = screen(&look, Sort::Shard);
        for words in [
            "1970-01-01 00:00:00 UTC, serving; cpu 1.5 %, memory 50.00 MB",
            "5 links, 0.0 opened/s",
            "3.0 messages/s, 0.0 refused/s, 1.0 deliveries/s",
            "send p50 1.00 ms, p99 2.50 ms; flush p50 -, p99 -",
            "bob         Android   2.00 MB",
            "\n1 no answer for 12 s  1 ",
            "\nWRONG\nWARN the disk\u{fffd}[2J is full\n",
        ] {
            assert!(shown.contains(words), "{words} in {shown}");
        }
    }
}
