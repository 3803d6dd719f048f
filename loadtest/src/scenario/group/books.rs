//! What comes in on the members' links of one thread, entered into the books.
//!
//! In: message payloads and link events from the fleet. Out: ledgers of the flows that this thread
//! sends, receipts of its members, latencies, and a list of the flows to look at next. Sends
//! nothing itself.

use super::layout::Layout;
use super::receipts::{Faults, Receipts, Seen};
use super::track::Tracks;
use crate::crew::Board;
use crate::envelope::{
    Body, GROUP, Incoming, KICK_TIP, Mark, NUMBER_MASK, PUSH, SEND, SEND_BIT, SendTemplate,
    print_of,
};
use crate::fleet::{Losses, Sink};
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::link::Loss;
use crate::push;
use crate::roster::Roster;
use std::collections::VecDeque;
use std::sync::Arc;

/// What all threads of a run share and nobody changes.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) layout: Arc<Layout>,
    pub(super) roster: Arc<Roster>,
    /// Ids of the groups.
    pub(super) groups: Arc<Vec<String>>,
    pub(super) tracks: Arc<Tracks>,
    /// Tells this run's messages from others.
    pub(super) run: u32,
    pub(super) content_bytes: usize,
}

impl Cast {
    /// User id of a member.
    pub(super) fn uid(&self, member: usize) -> &str {
        &self.roster.accounts()[self.layout.first_member() + member].uid
    }

    /// Whether `receiver` is `<member> <group>` for a message of `flow`.
    pub(super) fn is_addressed(&self, receiver: &str, member: usize, flow: usize) -> bool {
        let group = &self.groups[self.layout.seats()[flow].group];
        let rest = receiver.strip_prefix(self.uid(member)).and_then(|rest| rest.strip_prefix(' '));
        rest == Some(group)
    }

    /// Whether content and sender are what `mark` says.
    pub(super) fn is_whole(&self, body: &Body<'_>, mark: Mark, scratch: &mut Vec<u8>) -> bool {
        let sender = self.layout.seats()[mark.flow as usize].link;
        body.sender == self.uid(sender) && mark.fits(&body.content, self.content_bytes, scratch)
    }
}

/// One sender.
pub(super) struct Flow {
    /// Its number among all flows.
    pub(super) number: usize,
    /// Its link within the thread.
    pub(super) link: usize,
    pub(super) template: SendTemplate,
    /// What was sent and answered; deliveries are in the receipts.
    pub(super) ledger: Ledger,
    /// When messages were due that could not be sent yet.
    pub(super) backlog: VecDeque<u64>,
    /// Whether it stands in the list of flows to look at.
    pub(super) listed: bool,
}

/// The books of one thread.
pub(super) struct Books<'a> {
    pub(super) cast: Cast,
    pub(super) board: &'a Board,
    /// Member on the first link.
    pub(super) first: usize,
    /// Flows sent by this thread, in the order of their numbers.
    pub(super) flows: Vec<Flow>,
    /// The flow of each link, as index into `flows`.
    pub(super) flow_of_link: Vec<Option<usize>>,
    pub(super) receipts: Receipts,
    /// Highest seq pushed to each link.
    last_seqs: Vec<i64>,
    /// Flows that may have room to send.
    pub(super) touched: Vec<usize>,
    /// Latencies count for messages meant to be sent from then on.
    pub(super) record_from_ns: u64,
    pub(super) acks: Latency,
    pub(super) pushes: Latency,
    /// Time to the last push of a message.
    pub(super) fanouts: Latency,
    pub(super) last_ack_ns: u64,
    pub(super) last_push_ns: u64,
    pub(super) faults: Faults,
    /// Pushes that were new to their member.
    pub(super) received: u64,
    /// Error texts of the server, counted.
    pub(super) errors: Losses,
    /// Why links ended or did not come up.
    pub(super) losses: Losses,
    /// Counts not yet on the board.
    acked: u64,
    delivered: u64,
    scratch: Vec<u8>,
}

impl<'a> Books<'a> {
    /// Empty books of the members on `links` links from member `first` on.
    pub(super) fn new(
        cast: Cast,
        board: &'a Board,
        first: usize,
        links: usize,
        flows: Vec<Flow>,
    ) -> Self {
        let mut flow_of_link = vec![None; links];
        flows.iter().enumerate().for_each(|(at, flow)| flow_of_link[flow.link] = Some(at));
        Self {
            receipts: Receipts::new(links, cast.layout.places()),
            cast,
            board,
            first,
            flows,
            flow_of_link,
            last_seqs: vec![0; links],
            touched: Vec::new(),
            // Nothing is sent before the beginning, of which this thread may hear after others.
            record_from_ns: 0,
            acks: Latency::new(),
            pushes: Latency::new(),
            fanouts: Latency::new(),
            last_ack_ns: 0,
            last_push_ns: 0,
            faults: Faults::default(),
            received: 0,
            errors: Losses::default(),
            losses: Losses::default(),
            acked: 0,
            delivered: 0,
            scratch: Vec::new(),
        }
    }

    /// Puts a flow on the list to look at.
    pub(super) fn touch(&mut self, flow: usize) {
        if !std::mem::replace(&mut self.flows[flow].listed, true) {
            self.touched.push(flow);
        }
    }

    /// Publishes the counts for the live line and the figures.
    pub(super) fn publish(&mut self) {
        Board::add(&self.board.acked, std::mem::take(&mut self.acked));
        Board::add(&self.board.delivered, std::mem::take(&mut self.delivered));
    }

    fn send_answered(&mut self, link: usize, answer: &Incoming<'_>, now_ns: u64) {
        let Some(at) = self.flow_of_link[link] else {
            self.faults.unreadable += 1;
            return;
        };
        let flow = &mut self.flows[at];
        let number = flow.ledger.widen(answer.incr as u32 & NUMBER_MASK, NUMBER_MASK);
        let id = answer.data.as_ref().map_or("", |body| &body.server_id);
        if answer.code != 0 || id.is_empty() {
            let text = match answer.code {
                0 => "acknowledged without a serverMsgID".to_owned(),
                code => format!("errCode {code}: {}", answer.text),
            };
            self.errors.count(text);
            flow.ledger.refuse(number);
            self.cast.tracks.refused(flow.number, number);
        } else if let Some(due_ns) = flow.ledger.ack(number, print_of(id)) {
            if self.cast.tracks.acked(flow.number, number, print_of(id)) {
                self.faults.mismatched += 1;
            }
            if due_ns >= self.record_from_ns {
                self.acks.record(now_ns.saturating_sub(due_ns));
            }
            self.last_ack_ns = now_ns;
            self.acked += 1;
        }
        self.touch(at);
    }

    fn pushed(&mut self, link: usize, body: &Body<'_>, now_ns: u64) {
        if body.content_type == KICK_TIP {
            self.faults.kicked += 1;
            return;
        }
        let member = self.first + link;
        let layout = &self.cast.layout;
        let mark = Mark::read(&body.content).filter(|mark| mark.run == self.cast.run);
        let Some(mark) = mark else {
            self.faults.foreign += 1;
            return;
        };
        let flow = mark.flow as usize;
        let Some(seat) = layout.seats().get(flow).copied() else {
            self.faults.foreign += 1;
            return;
        };
        // Seqs follow each other whatever else is wrong.
        let last_seq = std::mem::replace(&mut self.last_seqs[link], body.seq);
        self.faults.seq_backwards += u64::from(body.seq <= last_seq);
        if seat.pool != layout.pool_of(member) {
            self.faults.misrouted += 1;
        } else if seat.link == member {
            self.faults.echoed += 1;
        } else if mark.number >= self.cast.tracks.sent(flow) {
            self.faults.invented += 1;
        } else {
            let addressed = self.cast.is_addressed(&body.receiver, member, flow);
            self.faults.misaddressed += u64::from(!addressed || body.session != GROUP);
            let whole = self.cast.is_whole(body, mark, &mut self.scratch) && !body.emphasized;
            self.faults.corrupted += u64::from(!whole);
            self.enter(link, seat.place, mark, print_of(&body.server_id), now_ns);
        }
    }

    fn enter(&mut self, link: usize, place: usize, mark: Mark, id: u64, now_ns: u64) {
        match self.receipts.see(link, place, mark.number) {
            Seen::First => {}
            Seen::Late => self.faults.reordered += 1,
            Seen::Again => {
                self.faults.doubled += 1;
                return;
            }
        }
        self.received += 1;
        self.delivered += 1;
        self.last_push_ns = now_ns;
        let receipt = self.cast.tracks.pushed(mark.flow as usize, mark.number, id);
        let Some(receipt) = receipt else { return };
        self.faults.mismatched += u64::from(receipt.mismatched);
        if receipt.due_ns >= self.record_from_ns {
            let took_ns = now_ns.saturating_sub(receipt.due_ns);
            self.pushes.record(took_ns);
            if receipt.is_last {
                self.fanouts.record(took_ns);
            }
        }
    }

    /// An error that does not say which request it belongs to, or says so in `msgIncr` alone.
    fn bare_error(&mut self, link: usize, answer: &Incoming<'_>, now_ns: u64) {
        if answer.incr as u32 & SEND_BIT != 0 && self.flow_of_link[link].is_some() {
            self.send_answered(link, answer, now_ns);
        } else {
            self.errors.count(format!("errCode {}: {}", answer.code, answer.text));
            self.faults.bare_errors += 1;
        }
    }
}

impl Sink for Books<'_> {
    fn opened(&mut self, _link: usize, _took_ns: u64) {
        Board::add(&self.board.opened, 1);
    }

    fn message(&mut self, link: usize, payload: &[u8], now_ns: u64) {
        let Some(answer) = push::read(payload) else {
            self.faults.unreadable += 1;
            return;
        };
        match (answer.request, &answer.data) {
            (PUSH, Some(body)) => self.pushed(link, body, now_ns),
            (SEND, _) => self.send_answered(link, &answer, now_ns),
            (_, _) if answer.code != 0 => self.bare_error(link, &answer, now_ns),
            (_, _) => self.faults.unreadable += 1,
        }
    }

    fn lost(&mut self, _link: usize, was_open: bool, loss: Loss) {
        self.losses.count(loss.to_string());
        let counter = if was_open { &self.board.lost } else { &self.board.failed };
        Board::add(counter, 1);
    }
}
