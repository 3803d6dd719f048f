//! What every inbox must hold, and what of it every link must have seen: the part of the oracle that both
//! worlds share, the embedded one and the cluster's. Each says in which order its log puts what where.

use std::collections::{BTreeMap, HashMap};

use openim_record::{MessageKey, Position, Seq, UserId};

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

impl Expected {
    /// Whether the entry is pushed to the user's link of `platform`.
    pub(crate) fn deliverable(&self, platform: u8) -> bool {
        !self.unsynced && self.own_from != Some(platform)
    }
}

/// A send of a link, whose sends have their order in every inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chained<'a> {
    pub(crate) name: &'a str,
    pub(crate) sender: &'a UserId,
    pub(crate) receiver: &'a UserId,
    pub(crate) key: MessageKey,
}

/// A key that a window knows.
#[derive(Clone, Copy, Debug)]
struct Known {
    key: MessageKey,
    append_ms: i64,
}

/// The expected state of all windows and inboxes.
#[derive(Debug)]
pub(crate) struct Books {
    window_ms: i64,
    keys_max: usize,
    windows: BTreeMap<u32, Vec<Known>>,
    inboxes: BTreeMap<UserId, Vec<Expected>>,
    /// Send times that a receipt of a key may show: those of its first sends.
    firsts: HashMap<MessageKey, Vec<i64>>,
}

impl Books {
    pub(crate) fn new(window_ms: i64, keys_max: usize) -> Self {
        Self {
            window_ms,
            keys_max,
            windows: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            firsts: HashMap::new(),
        }
    }

    /// Whether the window of that number takes a key for that of a first send.
    pub(crate) fn see(&mut self, window: u32, key: MessageKey, append_ms: i64) -> bool {
        let window = self.windows.entry(window).or_default();
        let window_ms = self.window_ms;
        window.retain(|old| old.append_ms.saturating_add(window_ms) >= append_ms);
        if window.iter().any(|old| old.key == key) {
            return false;
        }
        if window.len() == self.keys_max {
            window.remove(0);
        }
        // A record is no younger than any behind it, whatever the clock said when it was appended.
        for old in window.iter_mut() {
            old.append_ms = old.append_ms.min(append_ms);
        }
        window.push(Known { key, append_ms });
        true
    }

    /// A first send has this time.
    pub(crate) fn first(&mut self, key: MessageKey, send_time_ns: i64) {
        self.firsts.entry(key).or_default().push(send_time_ns);
    }

    pub(crate) fn firsts(&self, key: MessageKey) -> &[i64] {
        self.firsts.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The next entry of an inbox.
    pub(crate) fn put(&mut self, uid: &UserId, expected: Expected) {
        self.inboxes.entry(uid.clone()).or_default().push(expected);
    }

    /// The inbox of `uid`; seq 1 is at index 0.
    pub(crate) fn inbox(&self, uid: &UserId) -> &[Expected] {
        self.inboxes.get(uid).map_or(&[], Vec::as_slice)
    }

    /// The seq behind the last.
    pub(crate) fn end(&self, uid: &UserId) -> Seq {
        Seq(self.inbox(uid).len() as u64 + 1)
    }

    pub(crate) fn at(&self, uid: &UserId, seq: Seq) -> Option<Expected> {
        let index = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.inbox(uid).get(index).copied()
    }

    /// What a link of `platform` is pushed under this seq is what the log says (L2).
    pub(crate) fn assert_pushed(&self, uid: &UserId, platform: u8, seq: Seq, key: MessageKey) {
        let expected = self.at(uid, seq).expect("L2: the log gives this seq");
        assert_eq!(expected.key, key, "L2: {uid} {seq} is another message");
        assert!(expected.deliverable(platform), "a copy for the link's own platform");
    }

    /// Entries between two seqs were not meant for the link, or it has had them (L5).
    pub(crate) fn assert_nothing_missed(
        &self,
        uid: &UserId,
        platform: u8,
        (after, before): (Seq, Seq),
        had: impl Fn(Seq) -> bool,
    ) {
        for seq in (after.0 + 1..before.0).map(Seq) {
            let expected = self.at(uid, seq).expect("L2: seq is dense");
            let missed = expected.deliverable(platform) && !had(seq);
            assert!(!missed, "L5: {uid} on platform {platform} missed seq {seq}");
        }
    }

    /// A stored inbox is what the log says (L2).
    pub(crate) fn assert_inbox(&self, uid: &UserId, positions: &[Position]) {
        let expected: Vec<Position> = self.inbox(uid).iter().map(|entry| entry.position).collect();
        assert_eq!(positions, expected, "L2: inbox of {uid}");
    }

    /// What was acknowledged is there, and once where repeats are known for ever (L1).
    pub(crate) fn assert_acknowledged(
        &self,
        uid: &UserId,
        key: MessageKey,
        name: &str,
        once: bool,
    ) {
        let count = self.inbox(uid).iter().filter(|entry| entry.key == key).count();
        assert!(count >= 1, "L1: {name} is not in the inbox of {uid}");
        assert!(!once || count == 1, "L1: {name} is {count} times with {uid}");
    }

    /// What one link sent to one receiver, each once, has the order of the sends in both inboxes (L3).
    pub(crate) fn assert_in_order<'a>(&self, chain: impl Iterator<Item = Chained<'a>>) {
        let mut last: BTreeMap<(&UserId, &UserId), Position> = BTreeMap::new();
        for Chained { name, sender, receiver, key } in chain {
            let other = Some(receiver).filter(|receiver| *receiver != sender);
            for uid in other.into_iter().chain([sender]) {
                let entry = self.inbox(uid).iter().find(|entry| entry.key == key);
                let place = entry.expect("L1 was checked").position;
                if let Some(before) = last.insert((receiver, uid), place) {
                    assert!(before < place, "L3: {name} overtook the send before");
                }
            }
        }
    }
}
