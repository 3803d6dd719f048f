//! The sink of scenarios whose links mostly wait: counts links up and down, and answers to probes.

use crate::crew::Board;
use crate::envelope::{Incoming, NEWEST_SEQ, Speaker};
use crate::fleet::{Fleet, Losses, Sink};
use crate::latency::Latency;
use crate::link::Loss;
use crate::roster::Roster;
use std::time::Duration;

/// What one thread saw.
pub(crate) struct Idle<'a> {
    board: &'a Board,
    /// Time from begun to open.
    pub(crate) handshakes: Latency,
    /// Links that did not come up.
    pub(crate) failures: Losses,
    /// Links that came up and ended.
    pub(crate) losses: Losses,
    /// Links that did not come up since this list was last taken.
    pub(crate) failed_links: Vec<usize>,
    /// Good answers to probes.
    pub(crate) answers: u64,
    /// Links opened, counting each time.
    pub(crate) opened: u64,
}

impl<'a> Idle<'a> {
    /// Nothing seen yet.
    pub(crate) fn new(board: &'a Board) -> Self {
        Self {
            board,
            handshakes: Latency::new(),
            failures: Losses::default(),
            losses: Losses::default(),
            failed_links: Vec::new(),
            answers: 0,
            opened: 0,
        }
    }
}

impl Sink for Idle<'_> {
    fn opened(&mut self, _link: usize, took_ns: u64) {
        self.handshakes.record(took_ns);
        self.opened += 1;
        Board::add(&self.board.opened, 1);
    }

    fn message(&mut self, _link: usize, payload: &[u8], _now_ns: u64) {
        let answer = serde_json::from_slice::<Incoming<'_>>(payload);
        if answer.is_ok_and(|answer| answer.request == NEWEST_SEQ && answer.code == 0) {
            self.answers += 1;
        }
    }

    fn lost(&mut self, link: usize, was_open: bool, loss: Loss) {
        if was_open {
            self.losses.count(loss.to_string());
            Board::add(&self.board.lost, 1);
        } else {
            self.failures.count(loss.to_string());
            self.failed_links.push(link);
            Board::add(&self.board.failed, 1);
        }
    }
}

/// Asks one question on every open link of `fleet` and waits for the answers: links asked.
pub(crate) fn probe(
    fleet: &mut Fleet,
    sink: &mut Idle<'_>,
    roster: &Roster,
    first: usize,
    timeout: Duration,
) -> anyhow::Result<u64> {
    let clock = crate::clock::Clock::start();
    let deadline_ns = crate::clock::nanos(timeout);
    let (mut asked, before) = (0, sink.answers);
    let mut payload = Vec::new();
    for link in 0..fleet.len() {
        if fleet.is_open(link) {
            let account = roster.link(first + link).0;
            payload.clear();
            Speaker::new(&account.uid, &account.token).newest_seq(&mut payload, 1);
            fleet.send(link, &payload);
            asked += 1;
        }
        // In portions, so that questions and answers do not pile up.
        if link % 256 == 255 {
            fleet.turn(Duration::ZERO, sink)?;
        }
    }
    while sink.answers - before < asked && fleet.open() > 0 && clock.now_ns() < deadline_ns {
        fleet.turn(Duration::from_millis(20), sink)?;
    }
    Ok(asked)
}
