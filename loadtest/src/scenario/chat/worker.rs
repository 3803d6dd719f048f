//! One thread of a chat run: its pairs' links, and when they send.
//!
//! Phases: links up and baselines read; sending; draining; comparing the inboxes. Between phases
//! the thread waits for the main one, turning its fleet so that pings are answered.

use super::exchange::{Exchange, Flow, Oddities};
use super::stored::Step;
use crate::clock::{Clock, until};
use crate::crew::Board;
use crate::envelope::{Mark, NUMBER_MASK, SEND_BIT, SendTemplate, Speaker};
use crate::fleet::{Fleet, Losses, Route};
use crate::latency::Latency;
use crate::ledger::{StoredVerdict, Tally};
use crate::ramp::{Pace, ramp};
use crate::roster::Roster;
use anyhow::bail;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Unwritten bytes at which a link stops sending until the server has read some.
const PENDING_BYTES_MAX: usize = 1 << 20;
/// Undelivered messages at which a flow stops sending.
const UNSETTLED_MAX: usize = 1 << 15;
/// Messages of a thread that are due and not sent; more are counted as unsent.
const BACKLOG_MAX: usize = 4 << 20;
/// Inboxes of a thread that are pulled at once.
const PULLS_AT_ONCE: usize = 64;
/// When a newest seq is asked for again that was refused: of a cluster that has just started.
const NEWEST_AGAIN_NS: u64 = 1_000_000_000;
/// Pause before a lost link is opened again.
const REOPEN_PAUSE_NS: u64 = 100_000_000;

/// The run as asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) pairs: usize,
    /// Unanswered messages per sender.
    pub(crate) window: usize,
    /// Messages per second over all pairs; 0 for a closed loop.
    pub(crate) rate: u64,
    pub(crate) content_bytes: usize,
    pub(crate) both_ways: bool,
    pub(crate) ephemeral: bool,
    pub(crate) duration_ns: u64,
    pub(crate) warmup_ns: u64,
    pub(crate) grace_ns: u64,
    /// Lost links are opened again, also this long after the last send; 0: never.
    pub(crate) reconnect_ns: u64,
    pub(crate) pull_check: bool,
    /// Tells this run's messages from others.
    pub(crate) run: u32,
}

/// What one thread brings back.
pub(crate) struct Part {
    pub(crate) tally: Tally,
    pub(crate) acks: Latency,
    pub(crate) pushes: Latency,
    pub(crate) last_ack_ns: u64,
    pub(crate) last_push_ns: u64,
    pub(crate) odd: Oddities,
    pub(crate) errors: Losses,
    pub(crate) losses: Losses,
    /// Messages that were due and never sent.
    pub(crate) unsent: u64,
    pub(crate) resent: u64,
    pub(crate) stored: StoredVerdict,
}

/// One thread's links and books.
pub(crate) struct Worker<'a> {
    plan: Plan,
    roster: Arc<Roster>,
    first_link: usize,
    fleet: Fleet,
    books: Exchange<'a>,
    clock: Clock,
    board: &'a Board,
    timeout_ns: u64,
    /// Between two messages of this thread in a paced run.
    interval_ns: u64,
    /// Senders in turn, for pacing.
    senders: Vec<usize>,
    due: u64,
    backlog: usize,
    unsent: u64,
    resent: u64,
    sent: u64,
    /// Lost links and when to open them again.
    reopen: VecDeque<(u64, usize)>,
    payload: Vec<u8>,
}

impl<'a> Worker<'a> {
    /// Takes `pairs` pairs from pair `first` on; nothing is connected yet.
    pub(crate) fn new(
        plan: Plan,
        roster: Arc<Roster>,
        first: usize,
        pairs: usize,
        route: Route,
        clock: Clock,
        board: &'a Board,
    ) -> anyhow::Result<Self> {
        let first_link = first * 2;
        let options = if plan.ephemeral { r#"{"history":0,"persistent":0}"# } else { "{}" };
        let flows: Vec<Flow> = (first_link..first_link + pairs * 2)
            .map(|link| {
                let (account, platform) = roster.link(link);
                let receiver = roster.link(link ^ 1).0;
                let speaker = Speaker::new(&account.uid, &account.token);
                let template = SendTemplate::new(&speaker, platform, &receiver.uid, options);
                Flow::new(&account.uid, template, plan.reconnect_ns == 0)
            })
            .collect();
        let books = Exchange::new(plan, board, first_link as u32, flows);
        let senders: Vec<usize> = (0..pairs * 2).filter(|flow| books.sends(*flow)).collect();
        let all_senders = plan.pairs as u64 * if plan.both_ways { 2 } else { 1 };
        let share = senders.len().max(1) as u64;
        let interval_ns =
            (1_000_000_000 * all_senders).checked_div(plan.rate * share).unwrap_or(0).max(1);
        let timeout_ns = crate::clock::nanos(route.timeout);
        Ok(Self {
            plan,
            fleet: Fleet::new(Arc::clone(&roster), first_link, pairs * 2, route, clock)?,
            roster,
            first_link,
            books,
            clock,
            board,
            timeout_ns,
            interval_ns,
            senders,
            due: 0,
            backlog: 0,
            unsent: 0,
            resent: 0,
            sent: 0,
            reopen: VecDeque::new(),
            payload: Vec::new(),
        })
    }

    /// Runs all phases.
    pub(crate) fn run(mut self) -> anyhow::Result<Part> {
        self.come_up()?;
        self.board.arrive();
        let begin_ns = self.await_step(1)?;
        self.books.record_from_ns = begin_ns + self.plan.warmup_ns;
        while self.clock.now_ns() < begin_ns {
            self.fleet.turn(until(begin_ns, self.clock.now_ns()), &mut self.books)?;
        }
        self.send_all(begin_ns, begin_ns + self.plan.duration_ns)?;
        self.drain()?;
        self.board.arrive();
        self.await_step(2)?;
        let tally = self.close_books();
        let stored = if self.plan.pull_check { self.compare()? } else { StoredVerdict::default() };
        self.board.arrive();
        let Exchange { acks, pushes, last_ack_ns, last_push_ns, odd, errors, losses, .. } =
            self.books;
        Ok(Part {
            tally,
            acks,
            pushes,
            last_ack_ns,
            last_push_ns,
            odd,
            errors,
            losses,
            unsent: self.unsent,
            resent: self.resent,
            stored,
        })
    }

    /// Opens all links and reads each inbox's newest seq.
    fn come_up(&mut self) -> anyhow::Result<()> {
        ramp(&mut self.fleet, &mut self.books, Pace::new(0, 256, 1), self.clock, self.board)?;
        if self.fleet.open() < self.fleet.len() {
            let missing = self.fleet.len() - self.fleet.open();
            bail!("{missing} links did not come up: {}", self.books.losses.line());
        }
        self.books.came_up.clear();
        let links: Vec<usize> = (0..self.fleet.len()).collect();
        links.iter().for_each(|link| self.ask_newest(*link));
        let deadline_ns = self.clock.now_ns() + self.timeout_ns;
        let mut again_ns = self.clock.now_ns() + NEWEST_AGAIN_NS;
        while self.books.inboxes.iter().any(|inbox| inbox.newest.is_none()) {
            if self.clock.now_ns() > again_ns {
                let unknown = |link: &usize| self.books.inboxes[*link].newest.is_none();
                let links: Vec<usize> = (0..self.fleet.len()).filter(unknown).collect();
                links.iter().for_each(|link| self.ask_newest(*link));
                again_ns = self.clock.now_ns() + NEWEST_AGAIN_NS;
            }
            if self.clock.now_ns() > deadline_ns || self.fleet.open() < self.fleet.len() {
                let (losses, errors) = (self.books.losses.line(), self.books.errors.line());
                bail!("newest seq is not answered on every link: {losses} {errors}");
            }
            self.fleet.turn(Duration::from_millis(20), &mut self.books)?;
        }
        for inbox in &mut self.books.inboxes {
            inbox.baseline = inbox.newest.take().unwrap_or(0);
        }
        self.books.answered.clear();
        // Of those that were asked again.
        self.books.errors = Losses::default();
        self.books.odd.bare_errors = 0;
        Ok(())
    }

    fn await_step(&mut self, step: usize) -> anyhow::Result<u64> {
        loop {
            if let Some(begin_ns) = self.board.allowed(step) {
                return Ok(begin_ns);
            }
            if self.board.stopped() {
                bail!("stopped");
            }
            self.fleet.turn(Duration::from_millis(1), &mut self.books)?;
            self.mend(true);
        }
    }

    fn send_all(&mut self, begin_ns: u64, end_ns: u64) -> anyhow::Result<()> {
        (0..self.senders.len()).for_each(|index| self.books.touch(self.senders[index]));
        loop {
            let now_ns = self.clock.now_ns();
            let mut wait = until(end_ns, now_ns).min(Duration::from_millis(10));
            if self.plan.rate > 0 {
                // What was due before the end is sent or counted, however late this thread is.
                let due_ns = self.enter_due(begin_ns, now_ns.min(end_ns - 1));
                wait = wait.min(until(due_ns, now_ns));
                self.issue(now_ns);
            }
            if now_ns >= end_ns || self.board.stopped() {
                break;
            }
            if self.plan.rate == 0 {
                self.issue(now_ns);
            }
            self.fleet.turn(wait, &mut self.books)?;
            self.mend(true);
            self.publish();
            if self.fleet.open() == 0 && self.reopen.is_empty() && self.fleet.opening() == 0 {
                break;
            }
        }
        self.give_up_backlog();
        Ok(())
    }

    /// Hands messages that are due to their senders in turn; when the next one will be.
    fn enter_due(&mut self, begin_ns: u64, now_ns: u64) -> u64 {
        loop {
            let due_ns = begin_ns + self.due * self.interval_ns;
            if due_ns > now_ns {
                return due_ns;
            }
            let flow = self.senders[(self.due % self.senders.len() as u64) as usize];
            self.due += 1;
            if self.backlog >= BACKLOG_MAX {
                self.unsent += 1;
                continue;
            }
            self.backlog += 1;
            self.books.flows[flow].backlog.push_back(due_ns);
            self.books.touch(flow);
        }
    }

    /// Sends on every flow that may have room.
    fn issue(&mut self, now_ns: u64) {
        let mut touched = std::mem::take(&mut self.books.touched);
        for flow in touched.drain(..) {
            self.books.flows[flow].listed = false;
            while self.has_room(flow) {
                let intended_ns = match self.plan.rate {
                    0 => now_ns,
                    _ => match self.books.flows[flow].backlog.pop_front() {
                        Some(due_ns) => {
                            self.backlog -= 1;
                            due_ns
                        }
                        None => break,
                    },
                };
                let number = self.books.flows[flow].ledger.send(intended_ns);
                self.put(flow, number);
                self.sent += 1;
            }
        }
        self.books.touched = touched;
    }

    fn has_room(&self, flow: usize) -> bool {
        let ledger = &self.books.flows[flow].ledger;
        ledger.waiting() < self.plan.window
            && ledger.unsettled() < UNSETTLED_MAX
            && self.fleet.is_open(flow)
            && self.fleet.pending_bytes(flow) < PENDING_BYTES_MAX
    }

    fn put(&mut self, flow: usize, number: u64) {
        let mark = Mark { run: self.plan.run, flow: self.books.first_flow + flow as u32, number };
        let incr = SEND_BIT | (number as u32 & NUMBER_MASK);
        self.payload.clear();
        let template = &self.books.flows[flow].template;
        template.marked(&mut self.payload, incr, mark, self.plan.content_bytes);
        self.fleet.send(flow, &self.payload);
    }

    fn publish(&mut self) {
        Board::add(&self.board.sent, std::mem::take(&mut self.sent));
        self.books.publish();
    }

    /// Opens lost links again if the run is meant to survive that, and sends again on links that
    /// came back what was not answered: the same messages, so a server that has them already
    /// gives the first receipt again.
    fn mend(&mut self, resend: bool) {
        let now_ns = self.clock.now_ns();
        while let Some(link) = self.books.went_down.pop() {
            if self.plan.reconnect_ns > 0 {
                self.reopen.push_back((now_ns + REOPEN_PAUSE_NS, link));
            }
        }
        while let Some(&(due_ns, link)) = self.reopen.front() {
            if due_ns > now_ns {
                break;
            }
            self.reopen.pop_front();
            self.fleet.begin(link, now_ns, &mut self.books);
        }
        while let Some(link) = self.books.came_up.pop() {
            if resend && self.books.sends(link) {
                let again: Vec<u64> = self.books.flows[link].ledger.unanswered().collect();
                again.iter().for_each(|number| self.put(link, *number));
                self.resent += again.len() as u64;
                self.books.touch(link);
            }
        }
    }

    /// Messages due and never sent count with the age they had, so that the latency of a server
    /// that falls behind does not look good.
    fn give_up_backlog(&mut self) {
        let now_ns = self.clock.now_ns();
        for flow in &mut self.books.flows {
            for due_ns in flow.backlog.drain(..) {
                self.unsent += 1;
                if due_ns >= self.books.record_from_ns {
                    self.books.acks.record(now_ns.saturating_sub(due_ns));
                    self.books.pushes.record(now_ns.saturating_sub(due_ns));
                }
            }
        }
        self.backlog = 0;
    }

    /// Waits until every message is answered and delivered, or the grace time is over.
    fn drain(&mut self) -> anyhow::Result<()> {
        let deadline_ns = self.clock.now_ns() + self.plan.grace_ns + self.plan.reconnect_ns;
        while self.clock.now_ns() < deadline_ns && !self.board.stopped() {
            self.books.touched.drain(..).for_each(|flow| self.books.flows[flow].listed = false);
            if self.books.flows.iter().all(|flow| flow.ledger.is_settled()) {
                break;
            }
            let hopeless =
                self.fleet.open() == 0 && self.reopen.is_empty() && self.fleet.opening() == 0;
            if hopeless {
                break;
            }
            self.fleet.turn(Duration::from_millis(5), &mut self.books)?;
            self.mend(true);
            self.publish();
        }
        // A message delivered twice arrives behind the last one.
        self.fleet.turn(Duration::from_millis(20), &mut self.books)?;
        self.publish();
        Ok(())
    }

    fn close_books(&mut self) -> Tally {
        let mut tally = Tally::default();
        for flow in &mut self.books.flows {
            tally.add(&flow.ledger.close());
        }
        tally
    }

    fn ask_newest(&mut self, link: usize) {
        let speaker = self.speaker(link);
        self.payload.clear();
        speaker.newest_seq(&mut self.payload, 1);
        self.fleet.send(link, &self.payload);
    }

    fn speaker(&self, link: usize) -> Speaker {
        let account = self.roster.link(self.first_link + link).0;
        Speaker::new(&account.uid, &account.token)
    }

    /// Pulls all inboxes, a few at a time, and compares them.
    fn compare(&mut self) -> anyhow::Result<StoredVerdict> {
        let mut waiting: VecDeque<usize> = (0..self.fleet.len()).collect();
        let mut asked = vec![false; self.fleet.len()];
        let mut active = 0;
        let mut last_ns = self.clock.now_ns();
        self.books.answered.clear();
        loop {
            self.mend(false);
            while active < PULLS_AT_ONCE
                && let Some(link) = waiting.pop_front()
            {
                asked[link] = true;
                active += 1;
                self.ask_newest(link);
            }
            if active == 0 {
                break;
            }
            self.fleet.turn(Duration::from_millis(20), &mut self.books)?;
            for link in std::mem::take(&mut self.books.answered) {
                last_ns = self.clock.now_ns();
                if asked[link] && self.advance(link) {
                    asked[link] = false;
                    active -= 1;
                }
            }
            let stuck = self.clock.now_ns().saturating_sub(last_ns) > self.timeout_ns;
            if stuck || self.fleet.open() == 0 || self.board.stopped() {
                let unread = (0..asked.len()).filter(|link| asked[*link]).chain(waiting.drain(..));
                unread.for_each(|link| self.books.inboxes[link].give_up());
                break;
            }
        }
        let mut verdict = StoredVerdict::default();
        for (link, inbox) in std::mem::take(&mut self.books.inboxes).into_iter().enumerate() {
            let one = inbox.judge(link, &self.books.flows);
            verdict.stored += one.stored;
            verdict.in_doubt_stored += one.in_doubt_stored;
            verdict.faults.add(&one.faults);
        }
        Ok(verdict)
    }

    /// Takes the next step with an inbox whose question was answered; `true` when it is over.
    fn advance(&mut self, link: usize) -> bool {
        let inbox = &mut self.books.inboxes[link];
        if let Some(newest) = inbox.newest.take() {
            inbox.begin(newest, self.plan);
        }
        match inbox.step() {
            Step::Over => true,
            Step::Pull(begin, end) => {
                self.payload.clear();
                let speaker = self.speaker(link);
                speaker.pull(&mut self.payload, 2, begin, end);
                self.fleet.send(link, &self.payload);
                false
            }
        }
    }
}
