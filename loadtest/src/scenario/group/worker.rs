//! One thread of a group run: its members' links, and when those of them that send do so.
//!
//! Phases: links up; sending; draining. Between phases the thread waits for the main one, turning
//! its fleet so that pings are answered.

use super::books::{Books, Cast, Flow};
use super::receipts::{Faults, Receipts};
use crate::clock::{Clock, until};
use crate::crew::Board;
use crate::envelope::{Mark, NUMBER_MASK, SEND_BIT, SendTemplate, Speaker};
use crate::fleet::{Fleet, Losses, Route};
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::ramp::{Pace, ramp};
use anyhow::bail;
use std::collections::VecDeque;
use std::time::Duration;

/// Messages of one sender that are due and not sent; more are counted as unsent.
const BACKLOG_MAX: usize = 1 << 16;
/// How long a push that should not come is waited for at the end.
const AFTERMATH: Duration = Duration::from_millis(50);

/// When messages are sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pacing {
    /// Messages per second of all senders; 0 for a closed loop.
    pub(super) rate: u64,
    pub(super) duration_ns: u64,
    pub(super) warmup_ns: u64,
    pub(super) grace_ns: u64,
}

impl Pacing {
    /// When message `turn` of sender `flow` among `senders` is due, counted from the begin.
    fn due_ns(self, turn: u64, flow: usize, senders: usize) -> u64 {
        let message = u128::from(turn) * senders as u128 + flow as u128;
        (message * 1_000_000_000 / u128::from(self.rate.max(1))) as u64
    }
}

/// What one thread brings back.
pub(super) struct Part {
    /// The flows sent, by number, with their closed ledgers.
    pub(super) ledgers: Vec<(usize, Ledger)>,
    /// Member on the first link, and links.
    pub(super) first: usize,
    pub(super) links: usize,
    pub(super) receipts: Receipts,
    pub(super) faults: Faults,
    pub(super) received: u64,
    pub(super) acks: Latency,
    pub(super) pushes: Latency,
    pub(super) fanouts: Latency,
    pub(super) last_ack_ns: u64,
    pub(super) last_push_ns: u64,
    pub(super) errors: Losses,
    pub(super) losses: Losses,
    /// Messages that were due and never sent.
    pub(super) unsent: u64,
}

/// One thread's links and books.
pub(super) struct Worker<'a> {
    pacing: Pacing,
    fleet: Fleet,
    books: Books<'a>,
    clock: Clock,
    board: &'a Board,
    /// The next message to become due: which turn of the senders, and whose.
    turn: u64,
    next: usize,
    /// Flows whose window is full of messages not delivered yet.
    stalled: Vec<usize>,
    unsent: u64,
    sent: u64,
    payload: Vec<u8>,
}

impl<'a> Worker<'a> {
    /// Takes `links` links from member `first` on; nothing is connected yet.
    pub(super) fn new(
        pacing: Pacing,
        cast: Cast,
        first: usize,
        links: usize,
        route: Route,
        clock: Clock,
        board: &'a Board,
    ) -> anyhow::Result<Self> {
        let layout = &cast.layout;
        let seats = layout.seats().iter().enumerate();
        let own = seats.filter(|(_, seat)| (first..first + links).contains(&seat.link));
        let flows = own.map(|(number, seat)| {
            let (account, platform) = cast.roster.link(layout.first_member() + seat.link);
            let speaker = Speaker::new(&account.uid, &account.token);
            Flow {
                number,
                link: seat.link - first,
                template: SendTemplate::to_group(&speaker, platform, &cast.groups[seat.group]),
                ledger: Ledger::new(false),
                backlog: VecDeque::new(),
                listed: false,
            }
        });
        let flows = flows.collect();
        let (roster, first_user) = (cast.roster.clone(), layout.first_member() + first);
        Ok(Self {
            pacing,
            fleet: Fleet::new(roster, first_user, links, route, clock)?,
            books: Books::new(cast, board, first, links, flows),
            clock,
            board,
            turn: 0,
            next: 0,
            stalled: Vec::new(),
            unsent: 0,
            sent: 0,
            payload: Vec::new(),
        })
    }

    /// Runs all phases.
    pub(super) fn run(mut self) -> anyhow::Result<Part> {
        ramp(&mut self.fleet, &mut self.books, Pace::new(0, 256, 1), self.clock, self.board)?;
        if self.fleet.open() < self.fleet.len() {
            let missing = self.fleet.len() - self.fleet.open();
            bail!("{missing} links did not come up: {}", self.books.losses.line());
        }
        self.board.arrive();
        let begin_ns = self.await_begin()?;
        self.books.record_from_ns = begin_ns + self.pacing.warmup_ns;
        self.send_all(begin_ns, begin_ns + self.pacing.duration_ns)?;
        self.books.cast.tracks.stop_sending();
        self.drain()?;
        self.board.arrive();
        let Books { first, flows, receipts, faults, received, acks, pushes, fanouts, .. } =
            self.books;
        let close = |mut flow: Flow| {
            flow.ledger.close();
            (flow.number, flow.ledger)
        };
        Ok(Part {
            ledgers: flows.into_iter().map(close).collect(),
            first,
            links: self.fleet.len(),
            receipts,
            faults,
            received,
            acks,
            pushes,
            fanouts,
            last_ack_ns: self.books.last_ack_ns,
            last_push_ns: self.books.last_push_ns,
            errors: self.books.errors,
            losses: self.books.losses,
            unsent: self.unsent,
        })
    }

    /// Waits until the main thread says when to begin, and until then.
    fn await_begin(&mut self) -> anyhow::Result<u64> {
        loop {
            if self.board.stopped() {
                bail!("stopped");
            }
            let begin_ns = self.board.allowed(1);
            let left = begin_ns.map(|begin_ns| until(begin_ns, self.clock.now_ns()));
            if let (Some(begin_ns), Some(Duration::ZERO)) = (begin_ns, left) {
                return Ok(begin_ns);
            }
            self.fleet.turn(left.unwrap_or(Duration::from_millis(2)), &mut self.books)?;
        }
    }

    fn send_all(&mut self, begin_ns: u64, end_ns: u64) -> anyhow::Result<()> {
        if self.pacing.rate == 0 {
            (0..self.books.flows.len()).for_each(|flow| self.books.touch(flow));
        }
        loop {
            let now_ns = self.clock.now_ns();
            let mut wait = until(end_ns, now_ns).min(Duration::from_millis(10));
            if self.pacing.rate > 0 && !self.books.flows.is_empty() {
                // What was due before the end is sent or counted, however late this thread is.
                let due_ns = self.enter_due(begin_ns, now_ns.min(end_ns - 1));
                wait = wait.min(until(due_ns, now_ns));
                self.issue(now_ns);
            }
            if now_ns >= end_ns || self.board.stopped() || self.fleet.open() == 0 {
                break;
            }
            if self.pacing.rate == 0 {
                self.issue(now_ns);
            }
            if !self.stalled.is_empty() {
                wait = wait.min(Duration::from_millis(1));
            }
            self.fleet.turn(wait, &mut self.books)?;
            self.publish();
        }
        self.give_up_backlog();
        Ok(())
    }

    /// Hands messages that are due to their senders in turn; when the next one will be.
    fn enter_due(&mut self, begin_ns: u64, now_ns: u64) -> u64 {
        let senders = self.books.cast.layout.seats().len();
        loop {
            let flow = &mut self.books.flows[self.next];
            let due_ns = begin_ns + self.pacing.due_ns(self.turn, flow.number, senders);
            if due_ns > now_ns {
                return due_ns;
            }
            if flow.backlog.len() < BACKLOG_MAX {
                flow.backlog.push_back(due_ns);
            } else {
                self.unsent += 1;
            }
            self.books.touch(self.next);
            self.next += 1;
            if self.next == self.books.flows.len() {
                self.next = 0;
                self.turn += 1;
            }
        }
    }

    /// Sends on every flow that may have room, one message each.
    fn issue(&mut self, now_ns: u64) {
        let mut touched = std::mem::take(&mut self.books.touched);
        touched.append(&mut self.stalled);
        for at in touched.drain(..) {
            let flow = &mut self.books.flows[at];
            flow.listed = false;
            if flow.ledger.waiting() > 0 || !self.fleet.is_open(flow.link) {
                continue;
            }
            let due_ns =
                if self.pacing.rate == 0 { Some(now_ns) } else { flow.backlog.front().copied() };
            let Some(due_ns) = due_ns else { continue };
            let give_up_ns = now_ns.saturating_sub(self.pacing.grace_ns);
            if !self.books.cast.tracks.has_room(flow.number, give_up_ns) {
                flow.listed = true;
                self.stalled.push(at);
                continue;
            }
            flow.backlog.pop_front();
            self.put(at, due_ns);
        }
        self.books.touched = touched;
    }

    fn put(&mut self, at: usize, due_ns: u64) {
        let Books { cast, flows, .. } = &mut self.books;
        let flow = &mut flows[at];
        let number = flow.ledger.send(due_ns);
        cast.tracks.open(flow.number, due_ns, cast.layout.sizes.online - 1);
        let mark = Mark { run: cast.run, flow: flow.number as u32, number };
        let incr = SEND_BIT | (number as u32 & NUMBER_MASK);
        self.payload.clear();
        flow.template.marked(&mut self.payload, incr, mark, cast.content_bytes);
        self.fleet.send(flow.link, &self.payload);
        self.sent += 1;
    }

    fn publish(&mut self) {
        Board::add(&self.board.sent, std::mem::take(&mut self.sent));
        self.books.publish();
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
                    self.books.fanouts.record(now_ns.saturating_sub(due_ns));
                }
            }
        }
    }

    /// Waits until every message of every thread is answered and delivered, or the grace time is
    /// over.
    fn drain(&mut self) -> anyhow::Result<()> {
        let deadline_ns = self.clock.now_ns() + self.pacing.grace_ns;
        while !self.books.cast.tracks.is_over()
            && self.clock.now_ns() < deadline_ns
            && self.fleet.open() > 0
            && !self.board.stopped()
        {
            self.fleet.turn(Duration::from_millis(5), &mut self.books)?;
            self.publish();
        }
        // A message delivered twice arrives behind the last one.
        let end_ns = self.clock.now_ns() + crate::clock::nanos(AFTERMATH);
        while self.clock.now_ns() < end_ns && !self.board.stopped() {
            self.fleet.turn(until(end_ns, self.clock.now_ns()), &mut self.books)?;
        }
        self.publish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_take_turns_at_even_distances() {
        let pacing = Pacing { rate: 5, ..Pacing::default() };
        let dues: Vec<u64> = (0..2)
            .flat_map(|turn| (0..4).map(move |flow| pacing.due_ns(turn, flow, 4) / 1_000_000))
            .collect();
        assert_eq!(dues, [0, 200, 400, 600, 800, 1000, 1200, 1400]);
    }
}
