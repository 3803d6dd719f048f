//! `connect`: ramps up many authenticated links that then do nothing, and weighs them.
//!
//! Figures: connect rate, handshake latency, the server's CPU time per handshake, its memory per
//! link, and the kernel's. The baseline is read after the users are registered and before the
//! first link, so that only links are weighed.

use super::idle::{Idle, probe};
use crate::args::{Command, Parsed, flag};
use crate::clock::Clock;
use crate::crew::{Board, Crew, live, live_end, share};
use crate::fleet::{Fleet, Losses};
use crate::latency::{self, Latency};
use crate::ramp::{Pace, ramp};
use crate::report::{Report, bytes, rounded};
use crate::server::{Kernel, Usage};
use crate::setup::Setup;
use anyhow::bail;
use serde::Serialize;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "connect",
    about: "ramp up idle links, hold them, weigh them",
    flags: &[
        flag("links", "N", "authenticated links to open (needed)"),
        flag("rate", "R", "links per second (0: as fast as the server takes them)"),
        flag("in-flight", "N", "handshakes at once (256)"),
        flag("hold", "S", "keep the links for S seconds (5)"),
        flag("platforms", "K", "links per user, on platforms 1..K (1)"),
        flag("source-addresses", "N", "spread over 127.0.1.1 and up (by need)"),
        flag("probe", "", "ask every link for its newest seq at the end"),
    ],
};

/// What one thread brings back.
struct Part {
    handshakes: Latency,
    failures: Losses,
    losses: Losses,
    asked: u64,
    answers: u64,
    resumed: u64,
}

/// The server's and the kernel's figures at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Reading {
    server: Option<Usage>,
    kernel: Kernel,
}

impl Reading {
    fn now(setup: &Setup) -> Self {
        Self { server: setup.usage(), kernel: Kernel::read() }
    }
}

/// Runs the scenario.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let links: usize = parsed.number_needed("links")?;
    let hold: u64 = parsed.number_or("hold", 5)?;
    let platforms: u8 = parsed.number_or("platforms", 1)?;
    if links == 0 || !(1..=7).contains(&platforms) {
        bail!("--links is 1 or more, --platforms is 1 to 7");
    }
    let setup = Setup::read(parsed)?;
    let mut report = Report::new(COMMAND.name);
    let roster = setup.enrol(links.div_ceil(usize::from(platforms)), platforms)?;
    let threads = setup.threads(links);
    let route = setup.route(links, parsed.number("source-addresses")?);
    let pace =
        Pace::new(parsed.number_or("rate", 0)?, parsed.number_or("in-flight", 256)?, threads);
    let wants_probe = parsed.has("probe");

    let clock = setup.clock;
    let timeout = setup.timeout;
    let board = Arc::new(Board::default());
    let crew = Crew::start(threads, Arc::clone(&board), move |number, board| {
        let (first, count) = share(links, threads, number);
        let mut fleet = Fleet::new(Arc::clone(&roster), first, count, route.clone(), clock)?;
        let mut sink = Idle::new(board);
        rise_and_hold(&mut fleet, &mut sink, pace, clock, board)?;
        let asked = match wants_probe {
            true => probe(&mut fleet, &mut sink, &roster, first, timeout)?,
            false => 0,
        };
        let Idle { handshakes, failures, losses, answers, .. } = sink;
        Ok(Part { handshakes, failures, losses, asked, answers, resumed: fleet.resumed() })
    })?;

    let all = crew.len();
    let mut ready = crew.wait(|| {}, |board| board.arrived() == all);
    sleep(Duration::from_millis(500));
    let before = Reading::now(&setup);
    let began_ns = clock.now_ns();
    board.allow(1, began_ns);
    let show = |what: &str| {
        live(setup.progress, || {
            let [opened, failed, lost] =
                [&board.opened, &board.failed, &board.lost].map(Board::read);
            let elapsed = (clock.now_ns() - began_ns) as f64 / 1e9;
            format!("{what} {elapsed:.0} s: {opened} links up, {failed} failed, {lost} lost")
        });
    };
    ready &= crew.wait(|| show("ramp"), |board| board.arrived() == 2 * all);
    let ramp_ns = clock.now_ns() - began_ns;
    let ramped = Reading::now(&setup);
    let settle_end_ns = clock.now_ns() + 1_000_000_000;
    ready &= crew.wait(|| show("settle"), |_| clock.now_ns() >= settle_end_ns);
    let settled = Reading::now(&setup);
    let hold_end_ns = clock.now_ns() + hold.saturating_mul(1_000_000_000);
    ready &= crew.wait(|| show("hold"), |_| clock.now_ns() >= hold_end_ns);
    let held = Reading::now(&setup);
    live_end(setup.progress);
    if !ready {
        return Err(crew.abandon());
    }
    board.stop();
    let parts = crew.join()?;

    describe(&mut report, links, threads, ramp_ns, parts);
    weigh(&mut report, links, hold, [before, ramped, settled, held], Board::read(&board.opened));
    report.finish(parsed)
}

/// One thread: waits for the baseline to be read, opens its links, keeps them until told to stop.
fn rise_and_hold(
    fleet: &mut Fleet,
    sink: &mut Idle<'_>,
    pace: Pace,
    clock: Clock,
    board: &Board,
) -> anyhow::Result<()> {
    board.arrive();
    while board.allowed(1).is_none() && !board.stopped() {
        sleep(Duration::from_millis(2));
    }
    ramp(fleet, sink, pace, clock, board)?;
    board.arrive();
    while !board.stopped() {
        fleet.turn(Duration::from_millis(100), sink)?;
    }
    Ok(())
}

fn describe(report: &mut Report, links: usize, threads: usize, ramp_ns: u64, parts: Vec<Part>) {
    let mut handshakes = Latency::new();
    let (mut failures, mut losses) = (Losses::default(), Losses::default());
    let (mut asked, mut answers, mut resumed) = (0, 0, 0);
    for part in parts {
        handshakes.add(&part.handshakes);
        failures.merge(part.failures);
        losses.merge(part.losses);
        asked += part.asked;
        answers += part.answers;
        resumed += part.resumed;
    }
    let summary = handshakes.summary();
    report.plot(latency::plot(&[("handshake", &handshakes)]));
    let seconds = ramp_ns as f64 / 1e9;
    let rate = summary.count as f64 / seconds;
    report.figure("links", links);
    report.figure("client_threads", threads);
    report.figure("opened", summary.count);
    report.figure("ramp_s", rounded(seconds));
    report.figure("links_per_s", rounded(rate));
    report.figure("handshake", summary);
    report.figure("resumed", resumed);
    report.figure("failures", &failures.0);
    report.figure("losses", &losses.0);
    report
        .line("links", format!("{} of {links} up in {seconds:.2} s ({rate:.0}/s)", summary.count));
    report.line("handshake", summary.line());
    if failures.total() > 0 {
        report.problem(format!("links did not come up: {}", failures.line()));
    }
    if losses.total() > 0 {
        report.problem(format!("links were lost while idle: {}", losses.line()));
    }
    if asked > 0 {
        report.figure("probe", serde_json::json!({"asked": asked, "answered": answers}));
        report.line("probe", format!("{answers} of {asked} links answered"));
        if asked != answers {
            report.problem(format!("{} links did not answer", asked.saturating_sub(answers)));
        }
    }
}

fn weigh(report: &mut Report, links: usize, hold: u64, readings: [Reading; 4], opened: u64) {
    let [before, ramped, settled, held] = readings;
    report.figure(
        "readings",
        serde_json::json!({"before": before, "ramped": ramped, "settled": settled, "held": held}),
    );
    let each = |late: u64, early: u64| (late as f64 - early as f64) / opened.max(1) as f64;
    let tcp = each(settled.kernel.tcp_bytes, before.kernel.tcp_bytes);
    let slab = each(settled.kernel.slab_bytes, before.kernel.slab_bytes);
    report.figure("kernel_tcp_bytes_per_link_pair", rounded(tcp));
    report.figure("kernel_slab_bytes_per_link_pair", rounded(slab));
    report.line(
        "kernel",
        format!(
            "{} per link and side (slab {} and buffers {} for both sides of a loopback link)",
            bytes((tcp + slab) / 2.0),
            bytes(slab),
            bytes(tcp)
        ),
    );
    let (Some(before), Some(ramped), Some(settled), Some(held)) =
        (before.server, ramped.server, settled.server, held.server)
    else {
        report.line("server", "no figures: --pid not given, or the process is gone");
        return;
    };
    let private = each(settled.private_bytes, before.private_bytes);
    let rss = each(settled.rss_bytes, before.rss_bytes);
    let handshake_us = ramped.cpu_us_since(&before) as f64 / opened.max(1) as f64;
    report.figure("server_private_bytes_per_link", rounded(private));
    report.figure("server_rss_bytes_per_link", rounded(rss));
    report.figure("server_private_bytes_per_link_after_hold", {
        rounded(each(held.private_bytes, before.private_bytes))
    });
    report.figure("server_cpu_us_per_handshake", rounded(handshake_us));
    report.line(
        "server memory",
        format!("{} private, {} resident per link ({links} links)", bytes(private), bytes(rss)),
    );
    report.line("server CPU", format!("{handshake_us:.1} us per handshake"));
    if hold > 0 {
        let share = held.cpu_us_since(&settled) as f64 / (hold as f64 * 1e6) * 100.0;
        report.figure("server_idle_core_percent", rounded(share));
        report.line("server idle", format!("{share:.2} % of a core while holding"));
    }
}
