//! `group`: groups whose members talk while single chats go on beside them.
//!
//! The main thread here sets up, paces the phases, samples the server and judges. `layout` says
//! who is who, `found` creates the groups, `worker` runs the members' links of a thread, `books`
//! and `receipts` handle what comes in, `track` joins what threads saw of a message, `beside` runs
//! the single chats, `audit` reads inboxes. Passed means: every acknowledged message reached every
//! online member once, in order, addressed to that member and group, and nothing else did.
//!
//! The single chats and the links that send have threads of their own: a large group's pushes
//! keep a thread of this tool busy for milliseconds, and that is no delay of the server.

mod audit;
mod beside;
mod books;
mod found;
mod layout;
mod receipts;
mod track;
mod verdict;
mod worker;

use super::chat::series::Series;
use crate::args::{Command, Parsed, flag};
use crate::crew::{Board, Crew, live, live_end, share};
use crate::report::Report;
use crate::setup::{Setup, run_number};
use anyhow::bail;
use audit::Audit;
use beside::{Chats, Pairs};
use books::Cast;
use layout::{Layout, Sizes};
use std::sync::Arc;
use std::time::Duration;
use track::Tracks;
use verdict::{Measured, Moment, Verdict};
use worker::{Pacing, Part, Worker};

/// The table entry.
pub(crate) const COMMAND: Command = Command {
    name: "group",
    about: "groups talk beside single chats; every push is accounted for",
    flags: &[
        flag("members", "N", "members of each group (10k)"),
        flag("online", "N", "members of each group with a live link (2000, at most all)"),
        flag("groups", "N", "groups; they share members as far as senders allow (1)"),
        flag("senders", "N", "online members that write, to one group each (4, or one a group)"),
        flag("rate", "R", "group messages per second of all senders (0: when answered)"),
        flag("size", "BYTES", "content of a message (64)"),
        flag("duration", "S", "send for S seconds (10)"),
        flag("warmup", "S", "leave the first S seconds out of latency and CPU figures (0)"),
        flag("pairs", "N", "pairs of users who chat beside the groups (20; 0: none)"),
        flag("pair-rate", "R", "messages per second over all pairs (200)"),
        flag("baseline", "S", "single chats alone for S seconds before (5; 0: not at all)"),
        flag("grace", "S", "wait for what is missing at the end (10)"),
        flag(
            "pull-check",
            "",
            "pull the inboxes of up to 50 online and 50 offline members\nand of all pairs at the end and compare",
        ),
    ],
};

const SECOND_NS: u64 = 1_000_000_000;
/// From the word to begin to the first message, so that all threads hear it in time.
const LEAD_NS: u64 = 5_000_000;

/// The run as asked for.
#[derive(Clone, Copy, Debug)]
struct Plan {
    sizes: Sizes,
    pacing: Pacing,
    content_bytes: usize,
    pair_rate: u64,
    baseline_ns: u64,
    pull_check: bool,
}

fn plan(parsed: &Parsed) -> anyhow::Result<Plan> {
    let seconds = |name, default: u64| -> anyhow::Result<u64> {
        Ok(parsed.number_or(name, default)?.min(1_000_000) * SECOND_NS)
    };
    let members: usize = parsed.number_or("members", 10_000)?;
    let online: usize = parsed.number_or("online", members.min(2_000))?;
    let groups: usize = parsed.number_or("groups", 1)?;
    let few = online.min(4).max(groups);
    let plan = Plan {
        sizes: Sizes {
            pairs: parsed.number_or("pairs", 20)?,
            members,
            online,
            groups,
            senders: parsed.number_or("senders", few)?,
        },
        pacing: Pacing {
            rate: parsed.number_or("rate", 0)?,
            duration_ns: seconds("duration", 10)?,
            warmup_ns: seconds("warmup", 0)?,
            grace_ns: seconds("grace", 10)?,
        },
        content_bytes: parsed.number_or("size", 64)?,
        pair_rate: parsed.number_or("pair-rate", 200)?,
        baseline_ns: seconds("baseline", 5)?,
        pull_check: parsed.has("pull-check"),
    };
    if plan.pacing.duration_ns == 0 || plan.pacing.warmup_ns >= plan.pacing.duration_ns {
        bail!("--duration is 1 or more, --warmup is shorter");
    }
    if plan.content_bytes > 16 << 20 || members > 1_000_000 || groups > 100_000 {
        bail!("--size is at most 16 MiB, --members at most a million, --groups at most 100000");
    }
    if plan.sizes.pairs > 100_000 || plan.pair_rate == 0 {
        bail!("--pairs is at most 100000, --pair-rate is 1 or more");
    }
    Ok(plan)
}

/// Runs the scenario.
pub(crate) fn run(parsed: &Parsed) -> anyhow::Result<bool> {
    let plan = plan(parsed)?;
    let layout = Arc::new(Layout::new(plan.sizes)?);
    let setup = Setup::read(parsed)?;
    let mut report = Report::new(COMMAND.name);
    let roster = setup.enrol(layout.users(), 1)?;
    let run = run_number();
    let groups = Arc::new(found::found(&setup, &layout, &roster, run)?);
    let shares = shares(&setup, &layout);
    let cast = Cast {
        tracks: Arc::new(Tracks::new(layout.seats().len(), shares.len())),
        content_bytes: plan.content_bytes,
        layout,
        roster,
        groups,
        run,
    };
    let audit = match plan.pull_check {
        true => Some(Audit::begin(cast.clone(), &setup)?),
        false => None,
    };
    let (measured, parts) = measure(&setup, plan, &cast, shares)?;
    let verdict = Verdict::of(&cast, parts);
    verdict.report(&mut report, plan, &cast, &measured);
    if let Some(audit) = audit {
        let grace = Duration::from_nanos(plan.pacing.grace_ns);
        let found = audit.finish(&verdict.ledgers, grace)?;
        verdict::report_audit(&mut report, &found);
    }
    report.finish(parsed)
}

/// First link and links of each thread: the links that send, and the others.
fn shares(setup: &Setup, layout: &Layout) -> Vec<(usize, usize)> {
    let (sending, links) = (layout.sending_links(), layout.links());
    [(0, sending), (sending, links - sending)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .flat_map(|(first, count)| {
            let threads = setup.threads(count).min(count);
            (0..threads).map(move |number| {
                let (offset, count) = share(count, threads, number);
                (first + offset, count)
            })
        })
        .collect()
}

/// Links up, a baseline of single chats alone, then both.
fn measure(
    setup: &Setup,
    plan: Plan,
    cast: &Cast,
    shares: Vec<(usize, usize)>,
) -> anyhow::Result<(Measured, Vec<Part>)> {
    let route = setup.route(cast.layout.links() + plan.sizes.pairs * 2, None);
    let (clock, threads) = (setup.clock, shares.len());
    let pairs = Pairs::new(plan, Arc::clone(&cast.roster), route.clone(), clock);
    let (cast, board) = (cast.clone(), Arc::new(Board::default()));
    let crew = Crew::start(threads, Arc::clone(&board), move |number, board| {
        let (first, links) = shares[number];
        let (cast, route) = (cast.clone(), route.clone());
        Worker::new(plan.pacing, cast, first, links, route, clock, board)?.run()
    })?;
    let show = || {
        live(setup.progress, || format!("{} links up", Board::read(&board.opened)));
    };
    if !crew.wait(show, |board| board.arrived() == threads) {
        return Err(crew.abandon());
    }
    let before = setup.usage();
    let baseline = match plan.baseline_ns {
        0 => None,
        long_ns => pairs.chat_alone(setup, long_ns)?,
    };
    let chats = pairs.start(plan.pacing.duration_ns, plan.pacing.warmup_ns, plan.pull_check)?;
    let begin_ns = clock.now_ns() + LEAD_NS;
    board.allow(1, begin_ns);
    if let Some(chats) = &chats {
        chats.begin(begin_ns);
    }
    let mut series = Series::new(setup, begin_ns, plan.pacing.duration_ns);
    let warm_ns = begin_ns + plan.pacing.warmup_ns;
    let mut ready = crew.wait(|| series.sample(&board), |_| clock.now_ns() >= warm_ns);
    let warm = Moment::now(setup, &board)?;
    ready &= crew.wait(|| series.sample(&board), |board| board.arrived() == 2 * threads);
    let over = Moment::now(setup, &board)?;
    let after = setup.usage();
    live_end(setup.progress);
    if !ready {
        return Err(crew.abandon());
    }
    let chats = chats.map(Chats::finish).transpose()?;
    let measured =
        Measured { begin_ns, threads, before, warm, over, after, series, baseline, chats };
    Ok((measured, crew.join()?))
}
