//! `storm`: all links of a population vanish and come back at the same moment.
//!
//! Every reconnect counts from the moment of the storm, so waiting in a queue is part of it. At
//! the end each link is asked a question: a server whose old links tear down their successors
//! fails here.

use super::idle::{Idle, probe};
use crate::args::{Command, Parsed, flag};
use crate::clock::Clock;
use crate::crew::{Board, Crew, live, live_end, share};
use crate::fleet::{Fleet, Losses};
use crate::latency::{self, Latency};
use crate::ramp::{Pace, ramp};
use crate::report::{Report, rounded};
use crate::roster::Roster;
use crate::setup::Setup;
use anyhow::bail;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "storm",
    about: "drop all links at once and reconnect them at once",
    flags: &[
        flag("links", "N", "links (needed)"),
        flag("in-flight", "N", "reconnects at once (all)"),
        flag("recover", "S", "give up when not all are back after S seconds (60)"),
        flag("platforms", "K", "links per user, on platforms 1..K (1)"),
        flag("source-addresses", "N", "spread over 127.0.1.1 and up (by need)"),
    ],
};

/// Pause before a failed reconnect is tried again.
const RETRY_PAUSE_NS: u64 = 200_000_000;

struct Part {
    first_failures: Losses,
    since_storm: Latency,
    recovered_ns: u64,
    failures: Losses,
    losses: Losses,
    back: usize,
    asked: u64,
    answers: u64,
}

/// Runs the scenario.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let links: usize = parsed.number_needed("links")?;
    let platforms: u8 = parsed.number_or("platforms", 1)?;
    let recover_ns = parsed.number_or("recover", 60u64)?.clamp(1, 3600) * 1_000_000_000;
    if links == 0 || !(1..=7).contains(&platforms) {
        bail!("--links is 1 or more, --platforms is 1 to 7");
    }
    let setup = Setup::read(parsed)?;
    let mut report = Report::new(COMMAND.name);
    let roster = setup.enrol(links.div_ceil(usize::from(platforms)), platforms)?;
    let threads = setup.threads(links);
    // Old ports linger for a while after the storm; twice the addresses leave enough fresh ones.
    let route = setup.route(links * 2, parsed.number("source-addresses")?);
    let opening_max: usize = parsed.number_or("in-flight", links)?;
    let clock = setup.clock;
    let timeout = setup.timeout;

    let board = Arc::new(Board::default());
    let crew = Crew::start(threads, Arc::clone(&board), move |number, board| {
        let (first, count) = share(links, threads, number);
        let mut fleet = Fleet::new(Arc::clone(&roster), first, count, route.clone(), clock)?;
        Weather { clock, recover_ns, opening_max: opening_max.div_ceil(threads).max(1), board }
            .pass(&mut fleet, &roster, first, Pace::new(0, 256, threads), timeout)
    })?;

    let show = |what: &str| {
        live(setup.progress, || {
            let [opened, failed] = [&board.opened, &board.failed].map(Board::read);
            format!("{what}: {opened} links opened, {failed} attempts failed")
        });
    };
    let all = crew.len();
    if !crew.wait(|| show("ramp"), |board| board.arrived() == all) {
        return Err(crew.abandon());
    }
    let before = setup.usage();
    let opened_before = Board::read(&board.opened);
    board.allow(1, clock.now_ns());
    if !crew.wait(|| show("storm"), |board| board.arrived() == 2 * all) {
        return Err(crew.abandon());
    }
    let after = setup.usage();
    live_end(setup.progress);
    if let (Some(before), Some(after)) = (before, after) {
        let handshakes = Board::read(&board.opened) - opened_before;
        let each = after.cpu_us_since(&before) as f64 / handshakes.max(1) as f64;
        report.figure("server_cpu_us_per_link_incl_close_and_probe", rounded(each));
        report.figure("server_before", before);
        report.figure("server_after", after);
        report.line("server CPU", format!("{each:.1} us per link, its end and probe included"));
    }
    describe(&mut report, links, threads, crew.join()?);
    report.finish(parsed)
}

/// One thread's share of the storm.
struct Weather<'a> {
    clock: Clock,
    recover_ns: u64,
    opening_max: usize,
    board: &'a Board,
}

impl Weather<'_> {
    /// Opens the links, waits for the storm, comes back and asks each link a question.
    fn pass(
        &self,
        fleet: &mut Fleet,
        roster: &Roster,
        first: usize,
        pace: Pace,
        timeout: Duration,
    ) -> anyhow::Result<Part> {
        let mut sink = Idle::new(self.board);
        ramp(fleet, &mut sink, pace, self.clock, self.board)?;
        self.board.arrive();
        let storm_ns = loop {
            if let Some(storm_ns) = self.board.allowed(1) {
                break storm_ns;
            }
            if self.board.stopped() {
                bail!("stopped before the storm");
            }
            fleet.turn(Duration::from_millis(1), &mut sink)?;
        };
        let first_failures = std::mem::take(&mut sink.failures);
        sink.handshakes = Latency::new();
        let recovered_ns = self.come_back(fleet, &mut sink, storm_ns)?;
        let back = fleet.open();
        let asked = probe(fleet, &mut sink, roster, first, timeout)?;
        self.board.arrive();
        let Idle { handshakes, failures, losses, answers, .. } = sink;
        Ok(Part {
            first_failures,
            since_storm: handshakes,
            recovered_ns,
            failures,
            losses,
            back,
            asked,
            answers,
        })
    }

    /// Drops all links, begins them all anew and tries again what fails; when the last one was
    /// up, counted from the storm.
    fn come_back(
        &self,
        fleet: &mut Fleet,
        sink: &mut Idle<'_>,
        storm_ns: u64,
    ) -> anyhow::Result<u64> {
        (0..fleet.len()).for_each(|link| fleet.close(link));
        sink.failed_links.clear();
        let mut seen = sink.opened;
        let mut waiting: VecDeque<usize> = (0..fleet.len()).collect();
        let mut retry: VecDeque<(u64, usize)> = VecDeque::new();
        let mut recovered_ns = 0;
        loop {
            let now_ns = self.clock.now_ns();
            while retry.front().is_some_and(|(due_ns, _)| *due_ns <= now_ns) {
                waiting.extend(retry.pop_front().map(|(_, link)| link));
            }
            while fleet.opening() < self.opening_max
                && let Some(link) = waiting.pop_front()
            {
                fleet.begin(link, storm_ns, sink);
            }
            if sink.opened > seen {
                seen = sink.opened;
                recovered_ns = now_ns.saturating_sub(storm_ns);
            }
            let failed = sink.failed_links.drain(..);
            retry.extend(failed.map(|link| (now_ns + RETRY_PAUSE_NS, link)));
            let idle = waiting.is_empty() && retry.is_empty() && fleet.opening() == 0;
            if idle || now_ns.saturating_sub(storm_ns) > self.recover_ns {
                return Ok(recovered_ns);
            }
            fleet.turn(Duration::from_millis(if waiting.is_empty() { 20 } else { 1 }), sink)?;
        }
    }
}

fn describe(report: &mut Report, links: usize, threads: usize, parts: Vec<Part>) {
    let mut since_storm = Latency::new();
    let [mut first_failures, mut failures, mut losses] = [(); 3].map(|()| Losses::default());
    let (mut recovered_ns, mut back, mut asked, mut answers) = (0, 0, 0, 0);
    for part in parts {
        since_storm.add(&part.since_storm);
        first_failures.merge(part.first_failures);
        failures.merge(part.failures);
        losses.merge(part.losses);
        recovered_ns = recovered_ns.max(part.recovered_ns);
        back += part.back;
        asked += part.asked;
        answers += part.answers;
    }
    let seconds = recovered_ns as f64 / 1e9;
    let summary = since_storm.summary();
    report.plot(latency::plot(&[("back since the storm", &since_storm)]));
    report.figure("links", links);
    report.figure("client_threads", threads);
    report.figure("recovered", back);
    report.figure("recover_s", rounded(seconds));
    report.figure("reconnect_since_storm", summary);
    report.figure("failed_attempts", &failures.0);
    report.figure("losses", &losses.0);
    report.figure("probe", serde_json::json!({"asked": asked, "answered": answers}));
    report.line("recovered", format!("{back} of {links} links in {seconds:.2} s"));
    report.line("handshake", format!("{} (since the storm)", summary.line()));
    report.line("failed", format!("{} attempts {}", failures.total(), failures.line()));
    report.line("probe", format!("{answers} of {asked} links answered"));
    if first_failures.total() > 0 {
        report.problem(format!("before the storm: {}", first_failures.line()));
    }
    if losses.total() > 0 {
        report.problem(format!("links ended by themselves: {}", losses.line()));
    }
    if back != links || answers != asked {
        report.problem("not every link came back and answered");
    }
}
