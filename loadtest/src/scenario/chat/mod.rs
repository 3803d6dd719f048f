//! `chat`: pairs of users who talk, and books on every message.
//!
//! The main thread here sets up, paces the phases, samples the server and judges; `worker` runs
//! the links of a thread, `exchange` handles what comes in, `stored` compares the inboxes. Passed
//! means: sent = acked = delivered, each once, in order, and as it was sent.

mod exchange;
pub(super) mod series;
mod stored;
pub(super) mod verdict;
pub(super) mod worker;

use crate::args::{Command, Parsed, flag};
use crate::crew::{Board, Crew, live, live_end, share};
use crate::report::Report;
use crate::setup::{Setup, run_number};
use anyhow::bail;
use series::Series;
use std::sync::Arc;
use verdict::{Measured, Moment};
use worker::{Plan, Worker};

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "chat",
    about: "pairs of users talk; every message is accounted for",
    flags: &[
        flag("pairs", "N", "pairs of users (100)"),
        flag("window", "W", "unanswered messages per sender (16; 1024 with --rate)"),
        flag("rate", "R", "messages per second over all pairs, sent when due (0: when answered)"),
        flag("duration", "S", "send for S seconds (10)"),
        flag("warmup", "S", "leave the first S seconds out of latency and CPU figures (0)"),
        flag("size", "BYTES", "content of a message (64)"),
        flag("both-ways", "", "both users of a pair send"),
        flag("ephemeral", "", "messages that are pushed but not stored"),
        flag("grace", "S", "wait for what is missing at the end (10)"),
        flag("pull-check", "", "pull all inboxes at the end and compare"),
        flag(
            "reconnect",
            "S",
            "reopen lost links, up to S seconds after the last send, and send again\nwhat was not answered; the inboxes then decide (implies --pull-check)",
        ),
    ],
};

const SECOND_NS: u64 = 1_000_000_000;

fn plan(parsed: &Parsed) -> anyhow::Result<Plan> {
    let rate: u64 = parsed.number_or("rate", 0)?;
    let pairs: usize = parsed.number_or("pairs", 100)?;
    let window = parsed.number_or("window", if rate > 0 { 1024 } else { 16 })?;
    let seconds = |name, default: u64| -> anyhow::Result<u64> {
        Ok(parsed.number_or(name, default)?.min(1_000_000) * SECOND_NS)
    };
    let plan = Plan {
        pairs,
        window,
        rate,
        content_bytes: parsed.number_or("size", 64)?,
        both_ways: parsed.has("both-ways"),
        ephemeral: parsed.has("ephemeral"),
        duration_ns: seconds("duration", 10)?,
        warmup_ns: seconds("warmup", 0)?,
        grace_ns: seconds("grace", 10)?,
        reconnect_ns: seconds("reconnect", 0)?,
        pull_check: parsed.has("pull-check") || parsed.has("reconnect"),
        run: run_number(),
    };
    if plan.pairs == 0 || plan.window == 0 || plan.duration_ns == 0 {
        bail!("--pairs, --window and --duration are 1 or more");
    }
    if plan.window > 16_384 || plan.content_bytes > 16 << 20 {
        bail!("--window is at most 16384, --size at most 16 MiB");
    }
    if plan.warmup_ns >= plan.duration_ns {
        bail!("--warmup is shorter than --duration");
    }
    if plan.ephemeral && plan.pull_check {
        bail!("--ephemeral messages are in no inbox: no --pull-check, no --reconnect");
    }
    Ok(plan)
}

/// Runs the scenario.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let plan = plan(parsed)?;
    let setup = Setup::read(parsed)?;
    let report = Report::new(COMMAND.name);
    let roster = setup.enrol(plan.pairs * 2, 1)?;
    let threads = setup.threads(plan.pairs * 2).min(plan.pairs);
    let route = setup.route(plan.pairs * 2, None);
    let clock = setup.clock;
    let board = Arc::new(Board::default());
    let crew = Crew::start(threads, Arc::clone(&board), move |number, board| {
        let (first, pairs) = share(plan.pairs, threads, number);
        let roster = Arc::clone(&roster);
        Worker::new(plan, roster, first, pairs, route.clone(), clock, board)?.run()
    })?;

    let all = crew.len();
    let show_links = || {
        live(setup.progress, || format!("{} links up", Board::read(&board.opened)));
    };
    if !crew.wait(show_links, |board| board.arrived() == all) {
        return Err(crew.abandon());
    }
    let before = setup.usage();
    let begin_ns = clock.now_ns() + 5_000_000;
    board.allow(1, begin_ns);
    let mut series = Series::new(&setup, begin_ns, plan.duration_ns);
    let warm_ns = begin_ns + plan.warmup_ns;
    let mut ready = crew.wait(|| series.sample(&board), |_| clock.now_ns() >= warm_ns);
    let warm = Moment::now(&setup, &board)?;
    ready &= crew.wait(|| series.sample(&board), |board| board.arrived() == 2 * all);
    let over = Moment::now(&setup, &board)?;
    let after = setup.usage();
    live_end(setup.progress);
    if !ready {
        return Err(crew.abandon());
    }
    board.allow(2, begin_ns);
    let show_pull = || {
        live(setup.progress && plan.pull_check, || {
            format!("{} stored messages compared", Board::read(&board.pulled))
        });
    };
    if !crew.wait(show_pull, |board| board.arrived() == 3 * all) {
        return Err(crew.abandon());
    }
    live_end(setup.progress && plan.pull_check);
    let measured =
        Measured { parts: setup.parts, begin_ns, threads, before, warm, over, after, series };
    verdict::judge(report, parsed, plan, measured, crew.join()?)
}
