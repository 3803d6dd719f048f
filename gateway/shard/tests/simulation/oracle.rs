//! The judge: what clients were told, held against what the log says.

use std::collections::{BTreeMap, HashMap, VecDeque};

use openim_auth::{Class, LoginPolicy, Newest, NewestTokens};
use openim_record::{MessageKey, Placement, Seq, Switches, UserId};
use openim_shard::{Credentials, LinkId, Origin};

use crate::books::Chained;
use crate::counts::Counts;
use crate::debts::Debts;
use crate::io::Socket;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::stores::TokenStore;

/// A message that a client made up; all its sends are one send to the law.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) sender: usize,
    pub(crate) receiver: UserId,
    /// `receiver` is a group.
    pub(crate) group: bool,
    pub(crate) client_msg_id: String,
    pub(crate) switches: Switches,
    pub(crate) content: String,
    pub(crate) key: MessageKey,
    /// How often it was offered to a shard by a client.
    pub(crate) attempts: u32,
    /// Whether it was taken at a time when its receiver wanted it.
    pub(crate) wanted: bool,
    /// Send times that receipts gave, and in which life of the process.
    pub(crate) receipts: Vec<(u64, i64)>,
}

/// What some seed must have had.
pub(crate) const ALL: [&str; 41] = [
    "batch cut short",
    "books compared",
    "change without an answer",
    "crash",
    "crash in replay",
    "held",
    "receipt",
    "receipt of a repeat",
    "receipt of a repeat after a crash",
    "refused LogRefused",
    "refused Timeout",
    "refused at once",
    "close Replaced",
    "close Superseded",
    "close TokenExpired",
    "close OutboxFull",
    "close WriteStalled",
    "close Dead",
    "push",
    "push without seq",
    "group send",
    "removed",
    "not a member",
    "unwanted",
    "unwanted without a trace",
    "left memory",
    "waited for a load",
    "clock ahead by days",
    "clock back by days",
    "store failed",
    "load failed",
    "load outdated",
    "question answered",
    "question refused",
    "answered before it was settled",
    "why pushed",
    "why pulled",
    "why waits",
    "why cut",
    "why other_device",
    "why expired",
];

/// Everything that must hold.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) ledger: Ledger,
    pub(crate) messages: Vec<Sent>,
    by_key: HashMap<MessageKey, usize>,
    policy: LoginPolicy,
    generous_window: bool,
    /// Newest tokens of which the shards were told.
    announced: BTreeMap<UserId, NewestTokens>,
    /// What the store showed after each issue that is not announced yet.
    shown: BTreeMap<UserId, VecDeque<NewestTokens>>,
    /// The durable ones.
    pub(crate) tokens: TokenStore,
    /// The latest time that a clock showed, unix seconds.
    latest_s: i64,
    /// Sends that a shard owes an answer.
    pub(crate) debts: Debts<usize>,
    /// Acknowledged sends by link, in order; links of all lives of the process.
    chains: BTreeMap<(u64, usize, LinkId), Vec<usize>>,
    pub(crate) counts: Counts,
}

impl Oracle {
    pub(crate) fn new(placement: Placement, plan: &Plan) -> Self {
        let limits = &plan.limits;
        Self {
            ledger: Ledger::new(
                placement,
                limits.back.duplicate_window_ms,
                limits.back.duplicates_max,
            ),
            messages: Vec::new(),
            by_key: HashMap::new(),
            policy: plan.policy,
            generous_window: plan.generous_window,
            announced: BTreeMap::new(),
            shown: BTreeMap::new(),
            tokens: TokenStore::default(),
            latest_s: 0,
            debts: Debts::default(),
            chains: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn add(&mut self, sent: Sent) -> usize {
        let number = self.messages.len();
        assert!(self.by_key.insert(sent.key, number).is_none(), "one key, one message");
        self.messages.push(sent);
        number
    }

    // --- answers -------------------------------------------------------------------------------

    pub(crate) fn receipt(
        &mut self,
        life: u64,
        shard: usize,
        origin: Origin,
        key: MessageKey,
        send_time_ns: i64,
    ) {
        self.debts.answered(shard, origin);
        self.counts.note("receipt");
        let number = *self.by_key.get(&key).expect("L4: the server id is that of a send");
        let sent = &mut self.messages[number];
        if !sent.switches.ephemeral()
            && let Some(&(before, _)) = sent.receipts.last()
        {
            self.counts.note("receipt of a repeat");
            if before < life {
                self.counts.note("receipt of a repeat after a crash");
            }
        }
        if !sent.switches.ephemeral() {
            // The log holds it, and the time is that of a first send.
            let firsts = self.ledger.books.firsts(key);
            assert!(firsts.contains(&send_time_ns), "L1/L4: {key:?} acknowledged, log: {firsts:?}");
            assert!(!self.generous_window || firsts.len() == 1, "L4: created twice: {firsts:?}");
        }
        sent.receipts.push((life, send_time_ns));
        if let Origin::Link { id, .. } = origin {
            self.chains.entry((life, shard, id)).or_default().push(number);
        }
    }

    /// A question on a link is answered: what was sent on it before, and acknowledged, is in the inbox.
    pub(crate) fn answered_question(
        &mut self,
        (life, shard, link): (u64, usize, LinkId),
        uid: &UserId,
        newest: Seq,
    ) {
        self.counts.note("question answered");
        for &number in self.chains.get(&(life, shard, link)).into_iter().flatten() {
            let sent = &self.messages[number];
            // A group's members have their turns later.
            if sent.group || !sent.switches.history {
                continue;
            }
            let at = self.ledger.books.inbox(uid).iter().position(|entry| entry.key == sent.key);
            let at = at.expect("L1: what is acknowledged is in the log") as u64;
            assert!(at < newest.0, "{uid}: told {newest}, has sent {} as {}", sent.key.0, at + 1);
        }
    }

    /// A crash: nobody waits for an answer any more, and what is read is what was stored.
    pub(crate) fn restarted(&mut self, users: &[UserId]) {
        self.ledger.restarted(self.generous_window);
        self.debts.forget(|_| true);
        self.shown.clear();
        for uid in users {
            self.announced.insert(uid.clone(), self.tokens.newest(uid));
        }
    }

    // --- links ---------------------------------------------------------------------------------

    /// A token has become durable; a load may show it before its issue is announced.
    pub(crate) fn stored(&mut self, uid: &UserId, class: Class, newest: Newest) {
        self.tokens.issue(self.policy, uid, class, newest);
        let shown = self.tokens.newest(uid);
        self.shown.entry(uid.clone()).or_default().push_back(shown);
    }

    /// A shard was told of an issue.
    pub(crate) fn announce(&mut self, uid: &UserId, class: Class, newest: Newest) {
        self.policy.record(self.announced.entry(uid.clone()).or_default(), class, newest);
        self.shown.entry(uid.clone()).or_default().pop_front();
    }

    /// Whether a shard may accept the token: by the tokens it was told of, or by those it may have
    /// read before it was told.
    ///
    /// A newest token that has expired supersedes nothing, and stays expired when the clock falls.
    pub(crate) fn admits(&mut self, uid: &UserId, token: &Credentials, now_unix_s: i64) -> bool {
        self.latest_s = self.latest_s.max(now_unix_s);
        token.expires_at > now_unix_s && self.views(uid, token, self.latest_s).any(|good| good)
    }

    /// Whether a shard may call the token superseded.
    pub(crate) fn supersedes(&self, uid: &UserId, token: &Credentials, now_unix_s: i64) -> bool {
        token.expires_at <= now_unix_s || self.views(uid, token, now_unix_s).any(|good| !good)
    }

    /// Whether the token is good, as a shard may see it.
    fn views(
        &self,
        uid: &UserId,
        token: &Credentials,
        at_unix_s: i64,
    ) -> impl Iterator<Item = bool> {
        let announced = self.announced.get(uid).copied().unwrap_or_default();
        let shown = self.shown.get(uid).into_iter().flatten().copied();
        let (class, id, iat) = (token.class, token.id, token.issued_at);
        std::iter::once(announced)
            .chain(shown)
            .map(move |newest| self.policy.admits(&newest, class, &id, iat, at_unix_s))
    }

    /// A push to a link: it is the inbox's next entry for that link, and nothing was left out.
    pub(crate) fn pushed(&mut self, uid: &UserId, link: &mut Socket, key: MessageKey, seq: Seq) {
        self.counts.note("push");
        if seq == Seq(0) {
            self.counts.note("push without seq");
            let number = *self.by_key.get(&key).expect("a push is of a send");
            let sent = &self.messages[number];
            assert!(!sent.switches.history, "a stored message is pushed with its seq");
            assert!(sent.group || &sent.receiver == uid, "seq 0 goes to the receiver");
            assert!(sent.group || sent.wanted, "and to nobody who does not want it");
            return;
        }
        self.ledger.books.assert_pushed(uid, link.platform, seq, key);
        if let Some(seen) = link.seen {
            assert!(seen < seq, "{uid}: pushed {seq} after {seen}");
            self.ledger.books.assert_nothing_missed(uid, link.platform, (seen, seq), |_| false);
        }
        link.seen = Some(seq);
    }

    /// At the end: nothing is missing on a link that is still open.
    pub(crate) fn assert_complete(&self, uid: &UserId, link: &Socket) {
        if let Some(seen) = link.seen {
            let books = &self.ledger.books;
            books.assert_nothing_missed(uid, link.platform, (seen, books.end(uid)), |_| false);
        }
    }

    // --- the end -------------------------------------------------------------------------------

    pub(crate) fn assert_laws(&self, users: &[UserId]) {
        for sent in &self.messages {
            if sent.receipts.is_empty() || !sent.switches.history {
                continue;
            }
            // Of a group's members the ledger holds what the log says; they are no users of this name.
            let unwanted = sent.group || self.ledger.unwanted.contains(&sent.key);
            let receiver = if unwanted { &users[sent.sender] } else { &sent.receiver };
            for uid in [&users[sent.sender], receiver] {
                let name = &sent.client_msg_id;
                let books = &self.ledger.books;
                books.assert_acknowledged(uid, sent.key, name, self.generous_window);
            }
        }
        for chain in self.chains.values() {
            // A send that was repeated has the place of its first try, perhaps on another link.
            let sends = chain.iter().map(|number| &self.messages[*number]);
            let once = sends.filter(|sent| sent.attempts == 1 && sent.switches.history);
            let once = once.filter(|sent| !self.ledger.unwanted.contains(&sent.key));
            self.ledger.books.assert_in_order(once.map(|sent| Chained {
                name: &sent.client_msg_id,
                sender: &users[sent.sender],
                receiver: &sent.receiver,
                key: sent.key,
            }));
        }
    }
}
