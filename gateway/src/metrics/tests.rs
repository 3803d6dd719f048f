//! Tests of the table, the text and the document.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openim_config::Config;
use openim_protocol::close::CloseReason;
use openim_storage::guard::Guard;

use super::bounds::Bounds;
use super::exposition::exported;
use super::*;
use crate::audit::Audit;
use crate::logging::LinesLost;
use crate::phase::{Phase, Stage};
use crate::watched::{Figure, Watched, Watching};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

pub(crate) fn sources(shards: usize) -> Sources {
    Sources {
        shards: (0..shards).map(|_| Arc::new(ShardMetrics::default())).collect(),
        log: Arc::default(),
        store: Arc::default(),
        writes: Arc::default(),
        damage: Arc::default(),
        guards: [Arc::new(Guard::new("history", Duration::MAX, None))].into(),
        clock: Arc::new(openim_workers::Clock::new(Duration::ZERO, None, 0).0),
        disk: Arc::default(),
        engine: Arc::default(),
        phase: Arc::new(Phase::default()),
        lines_lost: LinesLost::default(),
        audit: Audit::default(),
        parts: Watching::default(),
        bounds: Arc::new(Bounds::of(&Config::default(), u16::try_from(shards).unwrap(), 1_000_000)),
    }
}

/// A part that counts everything.
#[derive(Debug)]
struct Everything;

impl Watched for Everything {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        Figure::ALL.iter().for_each(|(figure, ..)| show(*figure, 1.5));
    }
}

#[test]
fn parts_are_shown_when_they_are_there() {
    let sources = sources(1);
    assert!(!render(&sources).contains("openim_transfer"));
    sources.parts.add(Arc::new(Everything));
    sources.parts.add(Arc::new(Everything));
    let text = render(&sources);
    assert!(text.contains("\nopenim_transfer_records_total 3\n"), "{text}");
    assert!(text.contains("# TYPE openim_transfer_behind_seconds gauge"), "{text}");
}

#[test]
fn what_shards_count_is_in_the_text() {
    let sources = sources(2);
    sources.shards[0].links.add(3);
    sources.shards[0].links.sub(1);
    sources.shards[1].links_closed.of(CloseReason::OutboxFull).add(2);
    sources.shards[1].handshakes_refused.of(RefusedWith::Unauthorized).add(5);
    sources.shards[0].requests.of(RequestKind::Send).add(7);
    sources.shards[0].rest_requests.add(RestRoute::UserToken, 400);
    sources.phase.advance(Stage::Serving);
    sources.log.appends.observe(Duration::from_micros(1_500));
    for (shard, ms) in [(0, 125), (1, 500)] {
        sources.shards[shard].send_seconds.observe(Duration::from_millis(ms));
    }
    sources.shards[0].frames_out.add(2);
    sources.shards[1].frames_out.add(3);
    sources.shards[1].duplicate_window_shrunk.set(2_500);
    let text = render(&sources);
    for line in [
        "# TYPE openim_links gauge",
        "# HELP openim_links Links open now.",
        "openim_links{shard=\"0\"} 2",
        "openim_links{shard=\"1\"} 0",
        "openim_links_closed_total{reason=\"outbox_full\"} 2",
        "openim_handshakes_refused_total{status=\"401\"} 5",
        "openim_requests_total{kind=\"send\"} 7",
        "openim_rest_requests_total{route=\"user_token\",status=\"4xx\"} 1",
        "openim_phase 1",
        "openim_frames_out_total 5",
        "openim_pings_sent_total 0",
        "openim_duplicate_window_shrunk_seconds 2.5",
        "# TYPE openim_send_seconds histogram",
        "openim_send_seconds_bucket{le=\"0.1\"} 0",
        "openim_send_seconds_bucket{le=\"0.25\"} 1",
        "openim_send_seconds_bucket{le=\"+Inf\"} 2",
        "openim_send_seconds_sum 0.625",
        "openim_send_seconds_count 2",
        "openim_log_append_seconds_bucket{le=\"0.001\"} 0",
        "openim_log_append_seconds_count 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    for never in ["reason=\"drain\"", "kind=\"pull\"", "openim_pull_seconds_count"] {
        assert!(!text.contains(never), "{never} never counted\n{text}");
    }
}

/// However many shards there are.
#[test]
fn few_series_are_for_each_shard() {
    let lines = |shards| render(&sources(shards)).lines().filter(|line| line.contains('{')).count();
    assert!(lines(64) - lines(1) <= 63 * 10, "{}", lines(64));
}

#[test]
fn every_family_is_announced_once_and_before_its_samples() {
    let sources = sources(2);
    sources.parts.add(Arc::new(Everything));
    let text = render(&sources);
    let mut announced = BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap();
            assert!(announced.insert(current), "{current} announced twice");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let ending = name.strip_prefix(current).unwrap_or_else(|| panic!("{line}"));
            assert!(["", "_bucket", "_sum", "_count"].contains(&ending), "{line}");
        }
    }
    let names: BTreeSet<String> = exported().into_iter().map(|[name, ..]| name).collect();
    assert_eq!(announced, names.iter().map(String::as_str).collect());
}

#[test]
fn counters_say_so_in_their_names() {
    for [name, kind, ..] in exported() {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
}

/// `UPDATE_GOLDEN=1` rewrites the table.
#[test]
fn the_document_lists_what_is_exported() {
    let mut table = String::from("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for [name, kind, labels, help] in exported() {
        table.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let start = document.find("| name |").expect("the table");
    let rows = document[start..].split_inclusive('\n').take_while(|line| line.starts_with('|'));
    let end = start + rows.map(str::len).sum::<usize>();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let updated = format!("{}{table}{}", &document[..start], &document[end..]);
        std::fs::write(DOCUMENT, updated).unwrap();
        return;
    }
    assert_eq!(&document[start..end], table, "run with UPDATE_GOLDEN=1 if the change is meant");
}
