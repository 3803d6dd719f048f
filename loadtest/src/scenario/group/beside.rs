//! The single chats beside the groups, by which their effect on others is measured.
//!
//! Runs the chat scenario's worker on a thread of its own, so that what the tool spends on reading
//! the pushes of a large group does not look like a delay of the server. Once without group
//! traffic, for the baseline, and once with it.

use super::Plan;
use crate::clock::Clock;
use crate::crew::{Board, Crew};
use crate::fleet::Route;
use crate::latency::Summary;
use crate::report::{Report, rounded};
use crate::roster::Roster;
use crate::scenario::chat::verdict::nonzero;
use crate::scenario::chat::worker::{Part, Plan as ChatPlan, Worker};
use crate::setup::{Setup, run_number};
use anyhow::Context;
use serde::Serialize;
use std::sync::Arc;

/// Unanswered messages per sender; so many that a slow server does not slow the senders down.
const WINDOW: usize = 1024;

/// The pairs, ready to chat more than once.
#[derive(Clone)]
pub(super) struct Pairs {
    plan: ChatPlan,
    roster: Arc<Roster>,
    route: Route,
    clock: Clock,
}

/// Single chats without group traffic.
pub(super) struct Baseline {
    part: Part,
    /// The server's CPU time for each second of it.
    pub(super) cpu_us_per_s: Option<f64>,
}

/// Pairs that are about to chat, or do.
pub(super) struct Chats {
    crew: Crew<Part>,
    board: Arc<Board>,
}

/// What one period of chatting brought.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Latencies {
    pub(super) ack_latency: Summary,
    pub(super) push_latency: Summary,
}

impl Pairs {
    /// The pairs of `plan`, who are the first users of `roster`.
    pub(super) fn new(plan: Plan, roster: Arc<Roster>, route: Route, clock: Clock) -> Self {
        let plan = ChatPlan {
            pairs: plan.sizes.pairs,
            window: WINDOW,
            rate: plan.pair_rate,
            content_bytes: plan.content_bytes,
            grace_ns: plan.pacing.grace_ns,
            ..ChatPlan::default()
        };
        Self { plan, roster, route, clock }
    }

    /// Opens the links, if there are pairs at all; nothing is sent until [`Chats::begin`].
    pub(super) fn start(
        &self,
        duration_ns: u64,
        warmup_ns: u64,
        pull_check: bool,
    ) -> anyhow::Result<Option<Chats>> {
        if self.plan.pairs == 0 {
            return Ok(None);
        }
        let plan = ChatPlan { duration_ns, warmup_ns, pull_check, run: run_number(), ..self.plan };
        let Self { roster, route, clock, .. } = self.clone();
        let board = Arc::new(Board::default());
        let crew = Crew::start(1, Arc::clone(&board), move |_, board| {
            let roster = Arc::clone(&roster);
            Worker::new(plan, roster, 0, plan.pairs, route.clone(), clock, board)?.run()
        })?;
        if !crew.wait(|| {}, |board| board.arrived() == 1) {
            return Err(crew.abandon());
        }
        Ok(Some(Chats { crew, board }))
    }

    /// Chats for `long_ns` while nothing else goes on. The first fifth, in which caches fill, is
    /// left out of the latencies.
    pub(super) fn chat_alone(
        &self,
        setup: &Setup,
        long_ns: u64,
    ) -> anyhow::Result<Option<Baseline>> {
        let Some(chats) = self.start(long_ns, long_ns / 5, false)? else { return Ok(None) };
        let (before, began_ns) = (setup.usage_light(), self.clock.now_ns());
        chats.begin(began_ns);
        let part = chats.finish()?;
        let took_s = (self.clock.now_ns() - began_ns) as f64 / 1e9;
        let used = before.zip(setup.usage_light());
        let cpu_us_per_s = used.map(|(before, after)| after.cpu_us_since(&before) as f64 / took_s);
        Ok(Some(Baseline { part, cpu_us_per_s }))
    }
}

impl Chats {
    /// Lets them chat from `begin_ns` on.
    pub(super) fn begin(&self, begin_ns: u64) {
        self.board.allow(1, begin_ns);
    }

    /// Waits until all is sent and delivered, compares the inboxes if asked to, and closes the
    /// links.
    pub(super) fn finish(self) -> anyhow::Result<Part> {
        if !self.crew.wait(|| {}, |board| board.arrived() == 2) {
            return Err(self.crew.abandon());
        }
        self.board.allow(2, 0);
        let part = self.crew.join()?.pop();
        part.context("no thread has chatted")
    }
}

/// Enters the latencies before and during the group traffic, and what went wrong with the chats.
pub(super) fn report(report: &mut Report, plan: Plan, baseline: Option<&Baseline>, during: &Part) {
    let before = baseline.map(|baseline| &baseline.part);
    let summary = |part: &Part| Latencies {
        ack_latency: part.acks.summary(),
        push_latency: part.pushes.summary(),
    };
    let after = summary(during);
    let mut figures = serde_json::json!({
        "pairs": plan.sizes.pairs, "rate_asked": plan.pair_rate, "messages": during.tally, "during": after,
    });
    if let Some(before) = before {
        let before = summary(before);
        let ratio = |during: f64, before: f64| rounded(during / before.max(0.001));
        let acks = ratio(after.ack_latency.p99_us, before.ack_latency.p99_us);
        let pushes = ratio(after.push_latency.p99_us, before.push_latency.p99_us);
        figures["before"] = serde_json::json!(before);
        figures["ack_p99_ratio"] = acks.into();
        figures["push_p99_ratio"] = pushes.into();
        report.line("single before", line(&before));
        report.line("single during", line(&after));
        report.line("single p99", format!("ack {acks:.2} times, push {pushes:.2} times"));
    } else {
        report.line("single during", line(&after));
    }
    report.figure("single_chat", figures);
    for (when, part) in before.map(|part| ("before", part)).into_iter().chain([("during", during)])
    {
        judge(report, when, part);
    }
}

fn line(one: &Latencies) -> String {
    format!("ack {}; push {}", one.ack_latency.line(), one.push_latency.line())
}

fn judge(report: &mut Report, when: &str, part: &Part) {
    let tally = &part.tally;
    if !tally.faults.is_clean() || tally.acked != tally.sent || tally.delivered != tally.sent {
        report.problem(format!("single chats {when}: {}", nonzero(tally)));
    }
    if !part.odd.is_clean() {
        report.problem(format!("single chats {when}: {}", nonzero(part.odd)));
    }
    if part.errors.total() + part.losses.total() > 0 {
        let (errors, losses) = (part.errors.line(), part.losses.line());
        report.problem(format!("single chats {when}: errors {errors}, links lost {losses}"));
    }
    if !part.stored.faults.is_clean() {
        report.problem(format!("single chats {when}, stored: {}", nonzero(part.stored.faults)));
    }
    if part.unsent > 0 {
        report.line("single rate", format!("not held {when}: {} were due, not sent", part.unsent));
    }
}
