//! What comes in on the links of one thread, entered into the books.
//!
//! In: message payloads and link events from the fleet. Out: ledgers, latencies, and lists of the
//! flows and links that the worker has to look at next. Sends nothing itself.

use super::stored::Inbox;
use super::worker::Plan;
use crate::crew::Board;
use crate::envelope::{
    self, Body, Incoming, KICK_TIP, Mark, NEWEST_SEQ, NUMBER_MASK, PULL, Pulled, SEND, SEND_BIT,
    SendTemplate, print_of,
};
use crate::fleet::{Losses, Sink};
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::link::Loss;
use serde::Serialize;
use std::collections::VecDeque;

/// One sender and receiver; the flow with index `i` is sent on link `i`, received on `i ^ 1`.
pub(super) struct Flow {
    /// User id of the sender.
    pub(super) sender: String,
    /// What its messages look like.
    pub(super) template: SendTemplate,
    /// Its books.
    pub(super) ledger: Ledger,
    /// When messages were due that could not be sent yet.
    pub(super) backlog: VecDeque<u64>,
    /// Whether it stands in the list of flows to look at.
    pub(super) listed: bool,
    /// Highest seq pushed to the sender's own link.
    last_seq: i64,
}

impl Flow {
    /// A flow without messages.
    pub(super) fn new(sender: &str, template: SendTemplate, expects_pushes: bool) -> Self {
        Self {
            sender: sender.to_owned(),
            template,
            ledger: Ledger::new(expects_pushes),
            backlog: VecDeque::new(),
            listed: false,
            last_seq: 0,
        }
    }
}

/// Things that went wrong outside any flow's ledger. Each is 0 in a clean run, but the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Oddities {
    /// Pushes of other runs or programs; allowed.
    pub(crate) foreign: u64,
    /// Pushes seen in a run where links are lost on purpose; allowed to be fewer or more.
    pub(crate) uncounted: u64,
    /// Pushes whose content or sender is not what was sent.
    pub(crate) corrupted: u64,
    /// Pushes on a link of another user.
    pub(crate) misrouted: u64,
    /// Pushes whose seq does not follow that of the push before.
    pub(crate) seq_backwards: u64,
    /// Frames that are no answer and no push of this wire.
    pub(crate) unreadable: u64,
    /// Errors that name no request.
    pub(crate) bare_errors: u64,
    /// Notices that another login superseded the link.
    pub(crate) kicked: u64,
}

impl Oddities {
    /// Adds another thread's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.foreign += other.foreign;
        self.uncounted += other.uncounted;
        self.corrupted += other.corrupted;
        self.misrouted += other.misrouted;
        self.seq_backwards += other.seq_backwards;
        self.unreadable += other.unreadable;
        self.bare_errors += other.bare_errors;
        self.kicked += other.kicked;
    }

    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        let allowed = Self { foreign: self.foreign, uncounted: self.uncounted, ..Self::default() };
        *self == allowed
    }
}

/// The books of one thread.
pub(super) struct Exchange<'a> {
    pub(super) plan: Plan,
    pub(super) board: &'a Board,
    /// Number of the first flow of this thread among all.
    pub(super) first_flow: u32,
    pub(super) flows: Vec<Flow>,
    pub(super) inboxes: Vec<Inbox>,
    /// Flows that may have room to send.
    pub(super) touched: Vec<usize>,
    /// Links whose question was answered.
    pub(super) answered: Vec<usize>,
    /// Links that came up, and links that are down, since these lists were last taken.
    pub(super) came_up: Vec<usize>,
    pub(super) went_down: Vec<usize>,
    /// Latencies count for messages meant to be sent from then on.
    pub(super) record_from_ns: u64,
    pub(super) acks: Latency,
    pub(super) pushes: Latency,
    pub(super) last_ack_ns: u64,
    pub(super) last_push_ns: u64,
    pub(super) odd: Oddities,
    /// Error texts of the server, counted.
    pub(super) errors: Losses,
    /// Why links ended or did not come up.
    pub(super) losses: Losses,
    /// Counts not yet on the board.
    acked: u64,
    delivered: u64,
    scratch: Vec<u8>,
}

impl<'a> Exchange<'a> {
    /// Empty books.
    pub(super) fn new(plan: Plan, board: &'a Board, first_flow: u32, flows: Vec<Flow>) -> Self {
        let inboxes = flows.iter().map(|_| Inbox::default()).collect();
        Self {
            plan,
            board,
            first_flow,
            flows,
            inboxes,
            touched: Vec::new(),
            answered: Vec::new(),
            came_up: Vec::new(),
            went_down: Vec::new(),
            record_from_ns: u64::MAX,
            acks: Latency::new(),
            pushes: Latency::new(),
            last_ack_ns: 0,
            last_push_ns: 0,
            odd: Oddities::default(),
            errors: Losses::default(),
            losses: Losses::default(),
            acked: 0,
            delivered: 0,
            scratch: Vec::new(),
        }
    }

    /// Whether flow `flow` has messages at all.
    pub(super) fn sends(&self, flow: usize) -> bool {
        self.plan.both_ways || flow.is_multiple_of(2)
    }

    /// Puts a flow on the list to look at.
    pub(super) fn touch(&mut self, flow: usize) {
        if !std::mem::replace(&mut self.flows[flow].listed, true) {
            self.touched.push(flow);
        }
    }

    /// Publishes the counts for the live line.
    pub(super) fn publish(&mut self) {
        Board::add(&self.board.acked, std::mem::take(&mut self.acked));
        Board::add(&self.board.delivered, std::mem::take(&mut self.delivered));
    }

    fn send_answered(&mut self, link: usize, answer: &Incoming<'_>, now_ns: u64) {
        if !self.sends(link) {
            self.odd.unreadable += 1;
            return;
        }
        let number = self.flows[link].ledger.widen(answer.incr as u32 & NUMBER_MASK, NUMBER_MASK);
        let id = answer.data.as_ref().map_or("", |body| &body.server_id);
        if answer.code != 0 || id.is_empty() {
            let text = match answer.code {
                0 => "acknowledged without a serverMsgID".to_owned(),
                code => format!("errCode {code}: {}", answer.text),
            };
            self.errors.count(text);
            self.flows[link].ledger.refuse(number);
        } else if let Some(intended_ns) = self.flows[link].ledger.ack(number, print_of(id)) {
            if intended_ns >= self.record_from_ns {
                self.acks.record(now_ns.saturating_sub(intended_ns));
            }
            self.last_ack_ns = now_ns;
            self.acked += 1;
        }
        self.touch(link);
    }

    fn pushed(&mut self, link: usize, body: &Body<'_>, now_ns: u64) {
        if body.content_type == KICK_TIP {
            self.odd.kicked += 1;
            return;
        }
        let Some(mark) = Mark::read(&body.content).filter(|mark| mark.run == self.plan.run) else {
            self.odd.foreign += 1;
            return;
        };
        let flow = mark.flow.wrapping_sub(self.first_flow) as usize;
        if flow != link ^ 1 || !self.sends(flow) {
            self.odd.misrouted += 1;
            return;
        }
        let whole = mark.fits(&body.content, self.plan.content_bytes, &mut self.scratch);
        if !whole || body.sender != self.flows[flow].sender {
            self.odd.corrupted += 1;
            return;
        }
        if self.plan.reconnect_ns > 0 {
            self.odd.uncounted += 1;
            self.delivered += 1;
            self.last_push_ns = now_ns;
            return;
        }
        // A message that is stored nowhere has no seq.
        if body.seq != 0 {
            let last = &mut self.flows[link].last_seq;
            if body.seq <= *last {
                self.odd.seq_backwards += 1;
            }
            *last = body.seq.max(*last);
        }
        let ledger = &mut self.flows[flow].ledger;
        if let Some(intended_ns) = ledger.push(mark.number, print_of(&body.server_id)) {
            if intended_ns >= self.record_from_ns {
                self.pushes.record(now_ns.saturating_sub(intended_ns));
            }
            self.last_push_ns = now_ns;
            self.delivered += 1;
        }
        if !self.flows[flow].backlog.is_empty() || self.plan.rate == 0 {
            self.touch(flow);
        }
    }

    fn pull_answered(&mut self, link: usize, answer: &Incoming<'_>, payload: &[u8]) {
        let inbox = &mut self.inboxes[link];
        match serde_json::from_slice::<Pulled<'_>>(payload) {
            Ok(pulled) if answer.code == 0 => {
                let messages = pulled.data.into_messages();
                Board::add(&self.board.pulled, messages.len() as u64);
                inbox.take_page(link, &messages, &self.flows, self.plan, self.first_flow);
            }
            Ok(_) | Err(_) => {
                self.errors.count(format!("pull: errCode {}: {}", answer.code, answer.text));
                inbox.give_up();
            }
        }
        self.answered.push(link);
    }

    /// An error that does not say which request it belongs to, or says so in `msgIncr` alone.
    fn bare_error(&mut self, link: usize, answer: &Incoming<'_>) {
        let incr = answer.incr as u32;
        self.errors.count(format!("errCode {}: {}", answer.code, answer.text));
        if incr & SEND_BIT != 0 && self.sends(link) {
            let number = self.flows[link].ledger.widen(incr & NUMBER_MASK, NUMBER_MASK);
            self.flows[link].ledger.refuse(number);
            self.touch(link);
        } else {
            self.odd.bare_errors += 1;
        }
    }
}

impl Sink for Exchange<'_> {
    fn opened(&mut self, link: usize, _took_ns: u64) {
        Board::add(&self.board.opened, 1);
        self.came_up.push(link);
    }

    fn message(&mut self, link: usize, payload: &[u8], now_ns: u64) {
        let Ok(answer) = serde_json::from_slice::<Incoming<'_>>(payload) else {
            self.odd.unreadable += 1;
            return;
        };
        match (answer.request, &answer.data) {
            (SEND, _) => self.send_answered(link, &answer, now_ns),
            (envelope::PUSH, Some(body)) => self.pushed(link, body, now_ns),
            (NEWEST_SEQ, Some(body)) if answer.code == 0 => {
                self.inboxes[link].newest = Some(body.seq);
                self.answered.push(link);
            }
            (PULL, _) => self.pull_answered(link, &answer, payload),
            (_, _) if answer.code != 0 => self.bare_error(link, &answer),
            (_, _) => self.odd.unreadable += 1,
        }
    }

    fn lost(&mut self, link: usize, was_open: bool, loss: Loss) {
        self.losses.count(loss.to_string());
        let counter = if was_open { &self.board.lost } else { &self.board.failed };
        Board::add(counter, 1);
        self.went_down.push(link);
    }
}
