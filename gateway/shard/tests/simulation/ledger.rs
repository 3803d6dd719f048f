//! The laws as a function of the log: what every inbox must hold, computed the slow and obvious way.

use std::collections::{HashMap, HashSet};

use openim_record::{Members, Message, MessageKey, Placement, UserId};
use openim_shard::SEND_TIME_AHEAD_MS_MAX;

use crate::books::{Books, Expected};
use crate::stores::Entry;

/// The expected state of all inboxes at the log's end.
#[derive(Debug)]
pub(crate) struct Ledger {
    placement: Placement,
    pub(crate) books: Books,
    last_send_ns: HashMap<UserId, i64>,
    /// Sends that went to their sender alone, once at least.
    pub(crate) unwanted: HashSet<MessageKey>,
    /// The latest time that the clock ever showed.
    latest_clock_ns: i64,
    /// It fell by more than send times may run ahead of it: they follow it.
    fell: bool,
}

impl Ledger {
    pub(crate) fn new(placement: Placement, window_ms: i64, duplicates_max: usize) -> Self {
        Self {
            placement,
            books: Books::new(
                window_ms,
                (duplicates_max / usize::from(placement.partitions())).max(1),
            ),
            last_send_ns: HashMap::new(),
            unwanted: HashSet::new(),
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

        let homes = [&receiver, &sender].map(|uid| self.placement.partition(uid.as_str()).0.into());
        let (key, append_ms) = (message.key, entry.append_ms);
        let unwanted = message.switches.unwanted;
        if unwanted {
            self.unwanted.insert(key);
        }
        let new_to_receiver = !unwanted && self.books.see(homes[0], key, append_ms);
        let new_to_sender = match homes[0] == homes[1] && !unwanted {
            true => new_to_receiver,
            false => self.books.see(homes[1], key, append_ms),
        };
        if new_to_sender {
            self.books.first(key, message.send_time_ns);
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
            self.books.put(uid, expected);
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
        let home = self.placement.partition(message.recv_id).0.into();
        let new = self.books.see(home, message.key, entry.append_ms);
        assert!(new, "L4: the group's home lets no duplicate through");
        self.books.first(message.key, message.send_time_ns);
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
                self.books.put(&UserId::new(member.uid), expected);
            }
        }
    }
}
