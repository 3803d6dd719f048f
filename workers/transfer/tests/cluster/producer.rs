//! The producer of a gateway: sends on their way into the log, and what it reports of them.

use std::collections::VecDeque;
use std::sync::Arc;

use openim_record::{Landed, MessageKey, Place, Position, own_message};
use openim_transfer::LogPartition;

use crate::rules::Without;
use crate::world::World;

/// How long a record may be on its way: shorter than the front waits, which does so in vain only for a producer that
/// is stuck.
const SEND_MS: u64 = 3500;

#[derive(Debug)]
pub(crate) struct Producing {
    pub(crate) key: MessageKey,
    pub(crate) at: LogPartition,
    /// The record of the topic.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) message: Box<[u8]>,
    pub(crate) until_ms: u64,
}

/// What became of a record, as far as the producer knows.
#[derive(Debug)]
struct Report {
    key: MessageKey,
    message: Box<[u8]>,
    /// Where it lies and when it was appended; none: it was refused, or nobody knows.
    durable: Option<(Place, i64)>,
}

#[derive(Debug)]
pub(crate) struct Producer {
    waiting: VecDeque<Producing>,
    reports: VecDeque<Report>,
    records_max: usize,
    /// Somebody was told that there is no room.
    was_full: bool,
    pub(crate) stuck_until_ms: u64,
    pub(crate) now_ms: u64,
}

impl Producer {
    pub(crate) fn new(records_max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            reports: VecDeque::new(),
            records_max,
            was_full: false,
            stuck_until_ms: 0,
            now_ms: 0,
        }
    }

    pub(crate) fn has_room(&mut self) -> bool {
        let room = self.places() > 0;
        self.was_full |= !room;
        room
    }

    fn places(&self) -> usize {
        self.records_max - self.waiting.len() - self.reports.len()
    }

    pub(crate) fn hand_in(&mut self, producing: Producing) {
        assert!(self.places() > 0, "room was asked for");
        let until_ms = self.now_ms + SEND_MS;
        self.waiting.push_back(Producing { until_ms, ..producing });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.reports.is_empty()
    }

    fn is_stuck(&self) -> bool {
        self.now_ms < self.stuck_until_ms
    }

    /// Whether the report that this record has landed is still on its way.
    pub(crate) fn is_to_report(&self, place: Place) -> bool {
        self.reports.iter().any(|report| report.durable.is_some_and(|(at, _)| at == place))
    }
}

impl World {
    /// One send lands, or is refused; those into one partition in their order.
    pub(crate) fn produce_step(&mut self, g: usize) {
        let (now_ms, calm) = (self.now_ms, self.calm);
        let producer = &mut self.gateways[g].io.producer;
        let nth = self.random.below(producer.waiting.len());
        let Some(at) = producer.waiting.get(nth).map(|of| of.at) else { return };
        if self.logs.is_stalled(at, now_ms) || producer.is_stuck() {
            return;
        }
        let first = producer.waiting.iter().position(|of| of.at == at).expect("it is there");
        let producing = producer.waiting.remove(first).expect("it is there");
        let refused = !calm && self.random.percent(self.plan.refused);
        let durable = match refused {
            true if self.without == Some(Without::Durable) => {
                // Answered all the same, as if it lay somewhere.
                let place = Place { partition: at.partition, position: Position(u64::MAX) };
                Some((place, now_ms as i64))
            }
            true => None,
            false => self.land(&producing),
        };
        self.report(g, producing, durable);
    }

    /// The log has a send; where, and when it came, unless nobody heard of it.
    fn land(&mut self, producing: &Producing) -> Option<(Place, i64)> {
        let Producing { key, at, bytes, .. } = producing;
        let position = self.append(*at, bytes.clone());
        let message = self.by_key[key];
        self.messages[message].generation = self.store.generation;
        if !self.calm && self.random.percent(self.plan.answer_lost) {
            self.counts.note("answer lost");
            return None;
        }
        let append_ms = self.logs.at(*at, position).expect("it was appended").append_ms;
        Some((Place { partition: at.partition, position }, append_ms))
    }

    fn report(&mut self, g: usize, producing: Producing, durable: Option<(Place, i64)>) {
        let Producing { key, message, .. } = producing;
        self.gateways[g].io.producer.reports.push_back(Report { key, message, durable });
    }

    /// The front is told what became of a send.
    pub(crate) fn report_step(&mut self, g: usize) {
        let now = self.now();
        let slow = !self.calm && self.random.percent(self.plan.slow_reports);
        let gateway = &mut self.gateways[g];
        if slow || gateway.io.producer.is_stuck() {
            return;
        }
        let Some(report) = gateway.io.producer.reports.pop_front() else { return };
        let message = own_message(&report.message);
        let landed = match report.durable {
            None => Landed::Refused(report.key),
            Some((place, append_ms)) => {
                let send_time_ns = append_ms * 1_000_000;
                Landed::Durable { place, send_time_ns, message: &message }
            }
        };
        let members = gateway.front.landed(landed, now, &mut gateway.io);
        assert_eq!(members, 0, "members have their turns elsewhere");
        self.absorb(g);
        self.room(g);
    }

    /// What was on its way for too long is reported as refused; perhaps it lies in the log.
    pub(crate) fn producer_tick(&mut self, g: usize) {
        let now_ms = self.now_ms;
        let late = |producer: &mut Producer| {
            let late = !producer.is_stuck();
            producer.waiting.pop_front_if(|of| late && of.until_ms <= now_ms)
        };
        while let Some(producing) = late(&mut self.gateways[g].io.producer) {
            self.counts.note("too late for the producer");
            if self.random.percent(50) && !self.logs.is_stalled(producing.at, now_ms) {
                self.land(&producing);
            }
            self.report(g, producing, None);
        }
    }

    /// Those who were held for room go on, as many as there is room for.
    pub(crate) fn room(&mut self, g: usize) {
        let gateway = &mut self.gateways[g];
        let places = gateway.io.producer.places();
        if places == 0 || !gateway.io.producer.was_full {
            return;
        }
        gateway.front.room(places, &mut gateway.io);
        // Whoever is left is told of the next ones.
        let left = gateway.front.blocked_len() + gateway.held_calls.len();
        gateway.io.producer.was_full = left > 0;
        self.absorb(g);
    }
}
