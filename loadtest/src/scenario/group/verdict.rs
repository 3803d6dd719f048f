//! The end of a group run: all threads' books together, the figures, and whether it passed.

use super::Plan;
use super::audit::AuditVerdict;
use super::beside::{self, Baseline};
use super::books::Cast;
use super::receipts::Faults;
use super::worker::Part;
use crate::crew::Board;
use crate::fleet::Losses;
use crate::latency::{self, Latency};
use crate::ledger::{Ledger, StoredVerdict, Tally};
use crate::report::{Report, bytes, rounded};
use crate::scenario::chat::series::Series;
use crate::scenario::chat::verdict::nonzero;
use crate::scenario::chat::worker::Part as ChatPart;
use crate::server::Usage;
use crate::setup::Setup;
use serde_json::json;

/// CPU times and progress at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    server: Option<Usage>,
    client: Usage,
    acked: u64,
    received: u64,
    at_ns: u64,
}

impl Moment {
    /// Reads what is cheap to read.
    pub(super) fn now(setup: &Setup, board: &Board) -> anyhow::Result<Self> {
        Ok(Self {
            server: setup.usage_light(),
            client: Usage::read_light(std::process::id())?,
            acked: Board::read(&board.acked),
            received: Board::read(&board.delivered),
            at_ns: setup.clock.now_ns(),
        })
    }
}

/// What the main thread observed.
pub(super) struct Measured {
    pub(super) begin_ns: u64,
    pub(super) threads: usize,
    /// The server with all links up before anyone sends, memory maps included.
    pub(super) before: Option<Usage>,
    /// When the warm-up was over.
    pub(super) warm: Moment,
    /// When all threads had drained.
    pub(super) over: Moment,
    /// The server after that, memory maps included.
    pub(super) after: Option<Usage>,
    pub(super) series: Series,
    pub(super) baseline: Option<Baseline>,
    pub(super) chats: Option<ChatPart>,
}

/// The books of all threads.
pub(super) struct Verdict {
    /// Of all flows, by number.
    pub(super) ledgers: Vec<Ledger>,
    tally: Tally,
    faults: Faults,
    /// Pushes that were new to their member.
    received: u64,
    acks: Latency,
    pushes: Latency,
    fanouts: Latency,
    last_ack_ns: u64,
    last_push_ns: u64,
    errors: Losses,
    losses: Losses,
    unsent: u64,
}

impl Verdict {
    /// Adds up the threads' books and finds what nobody received.
    pub(super) fn of(cast: &Cast, mut parts: Vec<Part>) -> Self {
        let mut all = Self {
            ledgers: Vec::new(),
            tally: Tally::default(),
            faults: Faults::default(),
            received: 0,
            acks: Latency::new(),
            pushes: Latency::new(),
            fanouts: Latency::new(),
            last_ack_ns: 0,
            last_push_ns: 0,
            errors: Losses::default(),
            losses: Losses::default(),
            unsent: 0,
        };
        let mut ledgers: Vec<(usize, Ledger)> =
            parts.iter_mut().flat_map(|part| std::mem::take(&mut part.ledgers)).collect();
        ledgers.sort_by_key(|(flow, _)| *flow);
        all.ledgers = ledgers.into_iter().map(|(_, ledger)| ledger).collect();
        all.ledgers.iter().for_each(|ledger| all.tally.add(ledger.tally()));
        for part in parts {
            all.faults.lost += lost(cast, &part, &all.ledgers);
            all.faults.add(&part.faults);
            all.received += part.received;
            all.acks.add(&part.acks);
            all.pushes.add(&part.pushes);
            all.fanouts.add(&part.fanouts);
            all.last_ack_ns = all.last_ack_ns.max(part.last_ack_ns);
            all.last_push_ns = all.last_push_ns.max(part.last_push_ns);
            all.errors.merge(part.errors);
            all.losses.merge(part.losses);
            all.unsent += part.unsent;
        }
        all
    }

    /// Enters figures and findings, but those of the audit.
    pub(super) fn report(&self, report: &mut Report, plan: Plan, cast: &Cast, seen: &Measured) {
        self.traffic(report, plan, cast, seen);
        self.plots(report, &seen.series);
        self.server(report, plan, seen);
        if let Some(chats) = &seen.chats {
            beside::report(report, plan, seen.baseline.as_ref(), chats);
        }
        self.books(report, plan);
    }

    fn traffic(&self, report: &mut Report, plan: Plan, cast: &Cast, seen: &Measured) {
        let rate = |count: u64, last_ns: u64| {
            count as f64 / (last_ns.saturating_sub(seen.begin_ns).max(1) as f64 / 1e9)
        };
        let sizes = plan.sizes;
        let Tally { sent, acked, .. } = self.tally;
        let received = self.received;
        let entries = acked * sizes.members as u64;
        let acked_per_s = rate(acked, self.last_ack_ns);
        let pushes_per_s = rate(received, self.last_push_ns);
        let entries_per_s = rate(entries, self.last_ack_ns);
        report.figure("members", sizes.members);
        report.figure("online", sizes.online);
        report.figure("groups", sizes.groups);
        report.figure("senders", sizes.senders);
        report.figure("pools", cast.layout.pools);
        report.figure("rate_asked", plan.pacing.rate);
        report.figure("content_bytes", plan.content_bytes);
        report.figure("client_threads", seen.threads + usize::from(sizes.pairs > 0));
        report.figure("messages", self.tally);
        report.figure("pushes", json!({"received": received, "faults": self.faults}));
        report.figure("inbox_entries", entries);
        report.figure("acked_per_s", rounded(acked_per_s));
        report.figure("pushes_per_s", rounded(pushes_per_s));
        report.figure("inbox_entries_per_s", rounded(entries_per_s));
        report.line(
            "groups",
            format!(
                "{} of {} members, {} online; {} senders",
                sizes.groups, sizes.members, sizes.online, sizes.senders
            ),
        );
        report.line("messages", format!("{sent} sent, {acked} acked, {received} pushes received"));
        report.line(
            "rate",
            format!(
                "{acked_per_s:.1} acked/s, {pushes_per_s:.0} pushes/s, \
                 {entries_per_s:.0} inbox entries/s"
            ),
        );
        for (name, label, latency) in [
            ("ack_latency", "ack", &self.acks),
            ("push_latency", "push", &self.pushes),
            ("fanout_latency", "last push", &self.fanouts),
        ] {
            let summary = latency.summary();
            report.figure(name, summary);
            report.line(label, summary.line());
        }
        report.figure("unsent", self.unsent);
        if self.unsent > 0 {
            let text = format!("not held: {} messages were due and not sent", self.unsent);
            report.line("rate asked", text);
        }
    }

    fn plots(&self, report: &mut Report, series: &Series) {
        let last = ("last push", &self.fanouts);
        report.plot(latency::plot(&[("reply", &self.acks), ("push", &self.pushes), last]));
        series.plots().into_iter().for_each(|plot| report.plot(plot));
    }

    fn server(&self, report: &mut Report, plan: Plan, seen: &Measured) {
        let Measured { warm, over, .. } = seen;
        let messages = over.acked.saturating_sub(warm.acked).max(1) as f64;
        let pushes = over.received.saturating_sub(warm.received).max(1) as f64;
        let entries = messages * plan.sizes.members as f64;
        let client = over.client.cpu_us_since(&warm.client) as f64 / pushes;
        report.figure("client_cpu_us_per_push", rounded(client));
        report.figure("series", &seen.series.samples);
        let (Some(early), Some(late)) = (warm.server, over.server) else {
            report.line("server", "no figures: --pid not given, or the process is gone");
            return;
        };
        let cpu = late.cpu_us_since(&early) as f64;
        let system = late.system_us.saturating_sub(early.system_us) as f64;
        let seconds = over.at_ns.saturating_sub(warm.at_ns) as f64 / 1e9;
        report.figure("server_cpu_us_per_message", rounded(cpu / messages));
        report.figure("server_cpu_us_per_push", precise(cpu / pushes));
        report.figure("server_cpu_us_per_inbox_entry", precise(cpu / entries));
        report.figure("server_system_us_per_push", precise(system / pushes));
        report.figure("server_core_percent", rounded(cpu / seconds / 1e4));
        report.line(
            "server CPU",
            format!(
                "{:.2} us per push, {:.3} us per inbox entry, single chats included; \
                 client {client:.2} us per push",
                cpu / pushes,
                cpu / entries
            ),
        );
        let alone = seen.baseline.as_ref().and_then(|baseline| baseline.cpu_us_per_s);
        if let Some(alone) = alone {
            let net = (cpu - alone * seconds).max(0.0);
            report.figure("baseline_core_percent", rounded(alone / 1e4));
            report.figure("server_net_cpu_us_per_push", precise(net / pushes));
            report.figure("server_net_cpu_us_per_inbox_entry", precise(net / entries));
            report.line(
                "of that",
                format!(
                    "{:.2} us per push, {:.3} us per inbox entry without the baseline's \
                     {:.1} % of a core",
                    net / pushes,
                    net / entries,
                    alone / 1e4
                ),
            );
        }
        report.figure("server_before", seen.before);
        report.figure("server_after", seen.after);
        if let (Some(before), Some(after)) = (seen.before, seen.after) {
            let [before, after] = [before.rss_bytes, after.rss_bytes];
            report.figure("rss_before_bytes", before);
            report.figure("rss_after_bytes", after);
            let [before, after] = [before, after].map(|size| bytes(size as f64));
            report.line("server memory", format!("{before} resident before, {after} after"));
        }
    }

    fn books(&self, report: &mut Report, plan: Plan) {
        report.figure("server_errors", &self.errors.0);
        report.figure("link_losses", &self.losses.0);
        let Tally { sent, acked, faults, .. } = self.tally;
        if sent == 0 {
            report.problem("nothing was sent");
        }
        if acked != sent || !faults.is_clean() {
            report.problem(format!("{sent} sent, {acked} acked: {}", nonzero(faults)));
        }
        let expected = acked * (plan.sizes.online as u64 - 1);
        if self.received != expected || !self.faults.is_clean() {
            report.problem(format!(
                "{} pushes received of {expected}: {}",
                self.received,
                nonzero(self.faults)
            ));
        }
        if self.errors.total() > 0 {
            report.problem(format!("errors of the server: {}", self.errors.line()));
        }
        if self.losses.total() > 0 {
            report.problem(format!("links lost: {}", self.losses.line()));
        }
    }
}

/// What the members of a thread should have received and did not.
fn lost(cast: &Cast, part: &Part, ledgers: &[Ledger]) -> u64 {
    let layout = &cast.layout;
    let of_link = |link: usize| -> u64 {
        let member = part.first + link;
        let flows = layout.flows_of(layout.pool_of(member)).iter().enumerate();
        let others = flows.filter(|(_, flow)| layout.seats()[**flow].link != member);
        others.map(|(place, flow)| part.receipts.lost(link, place, &ledgers[*flow])).sum()
    };
    (0..part.links).map(of_link).sum::<u64>() + part.receipts.lost_more()
}

/// Enters what the inboxes showed.
pub(super) fn report_audit(report: &mut Report, (found, errors): &(AuditVerdict, Losses)) {
    let AuditVerdict { members, offline, complete_after_ms, stored } = *found;
    let StoredVerdict { stored, in_doubt_stored, faults } = stored;
    report.figure(
        "inboxes",
        json!({"count": members, "offline": offline, "stored": stored,
            "unacknowledged_stored": in_doubt_stored, "faults": faults,
            "complete_after_ms": complete_after_ms}),
    );
    report.line(
        "inboxes",
        format!("{stored} messages in {members} inboxes compared, {offline} of them offline"),
    );
    if !faults.is_clean() {
        report.problem(format!("stored: {} {}", nonzero(faults), errors.line()));
    }
}

/// Costs of an inbox entry are below a microsecond.
fn precise(us: f64) -> f64 {
    if us.is_finite() { (us * 10_000.0).round() / 10_000.0 } else { 0.0 }
}
