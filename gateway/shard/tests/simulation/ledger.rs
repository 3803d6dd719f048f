//! The laws as a function of the log: what every inbox must hold, computed the slow and obvious way.

use std::collections::{BTreeMap, HashMap};

use openim_record::{Members, Message, MessageKey, PartitionId, Placement, Position, Seq, UserId};
use openim_shard::SEND_TIME_AHEAD_MS_MAX;

use crate::stores::Entry;

/// One entry of an expected inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) position: Position,
    pub(crate) key: MessageKey,
    /// The platform that gets no copy, when this is the author's own entry.
    pub(crate) own_from: Option<u8>,
    /// The author's own entry, and other platforms get no copy either.
    pub(crate) unsynced: bool,
}

/// A key that a partition knows.
#[derive(Clone, Copy, Debug)]
struct Known {
    key: MessageKey,
    append_ms: i64,
}

/// The expected state of all inboxes at the log's end.
#[derive(Debug)]
pub(crate) struct Ledger {
    placement: Placement,
    window_ms: i64,
    share: usize,
    windows: BTreeMap<PartitionId, Vec<Known>>,
    inboxes: BTreeMap<UserId, Vec<Expected>>,
    /// Send times that a receipt of a key may show: those of its first sends.
    firsts: HashMap<MessageKey, Vec<i64>>,
    last_send_ns: HashMap<UserId, i64>,
    /// The latest time that the clock ever showed.
    latest_clock_ns: i64,
    /// It fell by more than send times may run ahead of it: they follow it.
    fell: bool,
}

impl Ledger {
    pub(crate) fn new(placement: Placement, window_ms: i64, duplicates_max: usize) -> Self {
        Self {
            placement,
            window_ms,
            share: (duplicates_max / usize::from(placement.partitions())).max(1),
            windows: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            firsts: HashMap::new(),
            last_send_ns: HashMap::new(),
            latest_clock_ns: 0,
            fell: false,
        }
    }

    /// The clock shows this.
    pub(crate) fn clock(&mut self, now_ns: i64) {
        self.latest_clock_ns = self.latest_clock_ns.max(now_ns);
        // Times count up from the clock's by a nanosecond a send.
        self.fell |=
            self.latest_clock_ns - now_ns >= SEND_TIME_AHEAD_MS_MAX * 1_000_000 - 1_000_000;
    }

    /// The process has started anew: with a window of next to nothing, what it knows of earlier send
    /// times is next to nothing too.
    pub(crate) fn restarted(&mut self, generous_window: bool) {
        if !generous_window {
            self.last_send_ns.clear();
        }
    }

    /// A record has become durable.
    pub(crate) fn record(&mut self, entry: &Entry) {
        let message = Message::decode(&entry.record).expect("the shard wrote it");
        if message.session_type == 2 {
            return self.record_group(entry, &message);
        }
        let sender = UserId::new(message.send_id);
        let receiver = UserId::new(message.recv_id);
        let last = self.last_send_ns.entry(sender.clone()).or_insert(i64::MIN);
        let (before, time) = (*last, message.send_time_ns);
        // Which shard has followed a clock that fell so far is not known here.
        assert!(before < time || self.fell, "sendTime of {sender} is {time} after {before}");
        *last = message.send_time_ns;

        let homes = [&receiver, &sender].map(|uid| self.placement.partition(uid.as_str()));
        let known = Known { key: message.key, append_ms: entry.append_ms };
        let new_to_receiver = self.see(homes[0], known);
        let new_to_sender =
            if homes[0] == homes[1] { new_to_receiver } else { self.see(homes[1], known) };
        if new_to_sender {
            self.firsts.entry(message.key).or_default().push(message.send_time_ns);
        }
        if !message.switches.history {
            return;
        }
        let mut put = |uid: &UserId, author: bool| {
            let expected = Expected {
                position: entry.position,
                key: message.key,
                own_from: author.then_some(message.origin_platform),
                unsynced: author && sender != receiver && !message.switches.sender_sync,
            };
            self.inboxes.entry(uid.clone()).or_default().push(expected);
        };
        if new_to_receiver {
            put(&receiver, sender == receiver);
        }
        if new_to_sender && sender != receiver {
            put(&sender, true);
        }
    }

    /// A message to a group: its home answers for it, and its members have it as the record says.
    fn record_group(&mut self, entry: &Entry, message: &Message<'_>) {
        let home = self.placement.partition(message.recv_id);
        let known = Known { key: message.key, append_ms: entry.append_ms };
        assert!(self.see(home, known), "L4: the group's home lets no duplicate through");
        self.firsts.entry(message.key).or_default().push(message.send_time_ns);
        for list in &entry.lists {
            let members = Members::decode(list).expect("the shard wrote it");
            for member in members.sections().flat_map(|section| Members::of_section(list, section))
            {
                if !message.switches.history {
                    continue;
                }
                let author = member.uid == message.send_id;
                let expected = Expected {
                    position: entry.position,
                    key: message.key,
                    own_from: author.then_some(message.origin_platform),
                    unsynced: author && !message.switches.sender_sync,
                };
                self.inboxes.entry(UserId::new(member.uid)).or_default().push(expected);
            }
        }
    }

    /// Whether the partition's window takes `known` for a first send.
    fn see(&mut self, partition: PartitionId, known: Known) -> bool {
        let window = self.windows.entry(partition).or_default();
        let window_ms = self.window_ms;
        window.retain(|old| old.append_ms.saturating_add(window_ms) >= known.append_ms);
        if window.iter().any(|old| old.key == known.key) {
            return false;
        }
        if window.len() == self.share {
            window.remove(0);
        }
        // A record is no younger than any behind it, whatever the clock said when it was appended.
        for old in window.iter_mut() {
            old.append_ms = old.append_ms.min(known.append_ms);
        }
        window.push(known);
        true
    }

    /// The inbox of `uid`; seq 1 is at index 0.
    pub(crate) fn inbox(&self, uid: &UserId) -> &[Expected] {
        self.inboxes.get(uid).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn at(&self, uid: &UserId, seq: Seq) -> Option<Expected> {
        let index = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.inbox(uid).get(index).copied()
    }

    pub(crate) fn firsts(&self, key: MessageKey) -> &[i64] {
        self.firsts.get(&key).map_or(&[], Vec::as_slice)
    }
}
