//! The end of a chat run: all threads' books together, the figures, and whether it passed.

use super::exchange::Oddities;
use super::series::Series;
use super::worker::{Part, Plan};
use crate::args::Parsed;
use crate::crew::Board;
use crate::fleet::Losses;
use crate::latency::{self, Latency};
use crate::ledger::{StoredVerdict, Tally};
use crate::report::{Report, bytes, rounded};
use crate::server::Usage;
use crate::setup::Setup;
use serde::Serialize;
use serde_json::{Map, Value};

/// CPU times and progress at one moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    server: Option<Usage>,
    parts: Vec<Option<Usage>>,
    client: Usage,
    acked: u64,
}

impl Moment {
    /// Reads what is cheap to read.
    pub(super) fn now(setup: &Setup, board: &Board) -> anyhow::Result<Self> {
        Ok(Self {
            server: setup.usage_light(),
            parts: setup.usage_of_parts(),
            client: Usage::read_light(std::process::id())?,
            acked: Board::read(&board.acked),
        })
    }

    /// The CPU time of each part since `earlier`, divided by `messages`; `None` of one that is gone.
    fn parts_since(
        &self,
        earlier: &Self,
        parts: &[(String, u32)],
        messages: f64,
    ) -> Map<String, Value> {
        let both = earlier.parts.iter().zip(&self.parts);
        let used = both.map(|(earlier, now)| {
            let us = now.as_ref()?.cpu_us_since(earlier.as_ref()?);
            Some(rounded(us as f64 / messages))
        });
        parts.iter().map(|(name, _)| name.clone()).zip(used.map(Value::from)).collect()
    }
}

/// What the main thread observed.
pub(super) struct Measured {
    /// Names of the processes that are measured one by one.
    pub(super) parts: Vec<(String, u32)>,
    pub(super) begin_ns: u64,
    pub(super) threads: usize,
    /// The server before sending began, memory maps included.
    pub(super) before: Option<Usage>,
    /// When the warm-up was over.
    pub(super) warm: Moment,
    /// When all threads had drained.
    pub(super) over: Moment,
    /// The server after that, memory maps included.
    pub(super) after: Option<Usage>,
    pub(super) series: Series,
}

/// Enters figures and findings, and finishes the report.
pub(super) fn judge(
    mut report: Report,
    parsed: &Parsed,
    plan: Plan,
    measured: Measured,
    parts: Vec<Part>,
) -> anyhow::Result<bool> {
    let whole = Whole::of(parts);
    whole.traffic(&mut report, plan, &measured);
    whole.plots(&mut report, &measured.series);
    whole.server(&mut report, &measured);
    whole.books(&mut report, plan);
    report.finish(parsed)
}

struct Whole {
    tally: Tally,
    acks: Latency,
    pushes: Latency,
    last_ack_ns: u64,
    last_push_ns: u64,
    odd: Oddities,
    errors: Losses,
    losses: Losses,
    unsent: u64,
    resent: u64,
    stored: StoredVerdict,
}

impl Whole {
    fn of(parts: Vec<Part>) -> Self {
        let mut whole = Self {
            tally: Tally::default(),
            acks: Latency::new(),
            pushes: Latency::new(),
            last_ack_ns: 0,
            last_push_ns: 0,
            odd: Oddities::default(),
            errors: Losses::default(),
            losses: Losses::default(),
            unsent: 0,
            resent: 0,
            stored: StoredVerdict::default(),
        };
        for part in parts {
            whole.tally.add(&part.tally);
            whole.acks.add(&part.acks);
            whole.pushes.add(&part.pushes);
            whole.last_ack_ns = whole.last_ack_ns.max(part.last_ack_ns);
            whole.last_push_ns = whole.last_push_ns.max(part.last_push_ns);
            whole.odd.add(&part.odd);
            whole.errors.merge(part.errors);
            whole.losses.merge(part.losses);
            whole.unsent += part.unsent;
            whole.resent += part.resent;
            whole.stored.stored += part.stored.stored;
            whole.stored.in_doubt_stored += part.stored.in_doubt_stored;
            whole.stored.faults.add(&part.stored.faults);
        }
        whole
    }

    fn traffic(&self, report: &mut Report, plan: Plan, measured: &Measured) {
        let rate = |count: u64, last_ns: u64| {
            count as f64 / (last_ns.saturating_sub(measured.begin_ns).max(1) as f64 / 1e9)
        };
        let acked = rate(self.tally.acked, self.last_ack_ns);
        let delivered = match plan.reconnect_ns {
            0 => rate(self.tally.delivered, self.last_push_ns),
            _ => rate(self.odd.uncounted, self.last_push_ns),
        };
        let (acks, pushes) = (self.acks.summary(), self.pushes.summary());
        report.figure("pairs", plan.pairs);
        report.figure("window", plan.window);
        report.figure("rate_asked", plan.rate);
        report.figure("content_bytes", plan.content_bytes);
        report.figure("client_threads", measured.threads);
        report.figure("messages", self.tally);
        report.figure("acked_per_s", rounded(acked));
        report.figure("delivered_per_s", rounded(delivered));
        report.figure("ack_latency", acks);
        report.figure("push_latency", pushes);
        let Tally { sent, acked: count, delivered: arrived, .. } = self.tally;
        // Where links are lost on purpose pushes are too, and may come twice: not the tally's.
        let arrived = if plan.reconnect_ns > 0 { self.odd.uncounted } else { arrived };
        report.line("messages", format!("{sent} sent, {count} acked, {arrived} delivered"));
        report.line("rate", format!("{acked:.0} acked/s, {delivered:.0} delivered/s"));
        report.line("ack", acks.line());
        report.line("push", pushes.line());
        if plan.rate > 0 {
            report.figure("unsent", self.unsent);
            if self.unsent > 0 {
                let text = format!("not held: {} messages were due and not sent", self.unsent);
                report.line("rate asked", text);
            }
        }
    }

    fn plots(&self, report: &mut Report, series: &Series) {
        report.plot(latency::plot(&[("reply", &self.acks), ("push", &self.pushes)]));
        series.plots().into_iter().for_each(|plot| report.plot(plot));
    }

    fn server(&self, report: &mut Report, measured: &Measured) {
        let Measured { warm, over, .. } = measured;
        let messages = over.acked.saturating_sub(warm.acked).max(1) as f64;
        let client = over.client.cpu_us_since(&warm.client) as f64 / messages;
        report.figure("client_cpu_us_per_message", rounded(client));
        report.figure("series", &measured.series.samples);
        if !measured.parts.is_empty() {
            let parts = over.parts_since(warm, &measured.parts, messages);
            report.line("parts CPU, us", nonzero(&parts));
            report.figure("part_cpu_us_per_message", parts);
        }
        let (Some(warm), Some(over)) = (warm.server, over.server) else {
            report.line("server", "no figures: --pid not given, or the process is gone");
            return;
        };
        let cpu = over.cpu_us_since(&warm) as f64 / messages;
        let system = over.system_us.saturating_sub(warm.system_us) as f64 / messages;
        report.figure("server_cpu_us_per_message", rounded(cpu));
        report.figure("server_system_us_per_message", rounded(system));
        report.figure("server_before", measured.before);
        report.figure("server_after", measured.after);
        report.line(
            "server CPU",
            format!("{cpu:.2} us per message ({system:.2} system); client {client:.2} us"),
        );
        if let (Some(before), Some(after)) = (measured.before, measured.after) {
            let samples = &measured.series.samples;
            let first = samples.first().map_or(before.rss_bytes, |sample| sample.rss_bytes);
            let last = samples.last().map_or(after.rss_bytes, |sample| sample.rss_bytes);
            report.figure("rss_first_bytes", first);
            report.figure("rss_last_bytes", last);
            report.line(
                "server memory",
                format!(
                    "{} resident before, {} in the first second, {} in the last, {} after",
                    bytes(before.rss_bytes as f64),
                    bytes(first as f64),
                    bytes(last as f64),
                    bytes(after.rss_bytes as f64)
                ),
            );
        }
    }

    fn books(&self, report: &mut Report, plan: Plan) {
        report.figure("oddities", self.odd);
        report.figure("server_errors", &self.errors.0);
        report.figure("link_losses", &self.losses.0);
        let Tally { sent, acked, delivered, faults } = self.tally;
        if sent == 0 {
            report.problem("nothing was sent");
        }
        if !faults.is_clean() {
            report.problem(format!("of {sent} messages: {}", nonzero(faults)));
        }
        if acked != sent || (plan.reconnect_ns == 0 && delivered != acked) {
            report.problem(format!("{sent} sent, {acked} acked, {delivered} delivered"));
        }
        if !self.odd.is_clean() {
            report.problem(format!("oddities: {}", nonzero(self.odd)));
        }
        if self.errors.total() > 0 {
            report.problem(format!("errors of the server: {}", self.errors.line()));
        }
        if plan.reconnect_ns > 0 {
            report.figure("resent", self.resent);
            report.line("links lost", format!("{} {}", self.losses.total(), self.losses.line()));
            report.line("sent again", self.resent.to_string());
        } else if self.losses.total() > 0 {
            report.problem(format!("links lost: {}", self.losses.line()));
        }
        if plan.pull_check {
            let StoredVerdict { stored, in_doubt_stored, faults } = self.stored;
            report.figure(
                "inboxes",
                serde_json::json!({"count": plan.pairs * 2, "stored": stored,
                    "unacknowledged_stored": in_doubt_stored, "faults": faults}),
            );
            report.line(
                "inboxes",
                format!("{stored} messages in {} inboxes compared", plan.pairs * 2),
            );
            if !faults.is_clean() {
                report.problem(format!("stored: {}", nonzero(faults)));
            }
        }
    }
}

/// The counters of a record that are not 0, by name.
pub(crate) fn nonzero(counters: impl Serialize) -> String {
    let value = serde_json::to_value(counters).unwrap_or_default();
    let parts: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    parts.join(", ")
}
