//! Why somebody did not get a message: asked for any place of any inbox, and held against what the links were pushed and
//! what was pulled.
//!
//! The journal is what the shards note: the newest note of each link, pulls, and the ends of links whose process was killed, which
//! is all that survives it. What is asked draws from chance of its own, so that it changes no run.

use std::collections::{BTreeMap, BTreeSet};

use openim_record::{LinkId, Message, Seq, UserId};
use openim_shard::LinkState;
use openim_why::{
    Asked, End, Ended, Facts, Found, Had, LinkName, LinkNote, Note, PullNote, Reason, Trail, Who,
    decide,
};

use crate::random::Random;
use crate::world::{Node, World};

/// A note of a link, as a shard gave it.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    note: LinkNote,
    link: LinkId,
}

impl Noted {
    pub(crate) fn of(state: &LinkState<'_>) -> Self {
        let LinkState { uid, platform, link, opened_ms, pushed, over } = *state;
        let name = LinkName { run_s: 0, shard: 0, number: link.generation };
        let (who, untaken) = (Who::new(uid), Seq(0));
        let end = over.then_some(End { at_ms: 0, why: Ended::Left });
        let index = link.index;
        let note = LinkNote { who, platform, link: name, index, opened_ms, pushed, untaken, end };
        Self { note, link }
    }
}

/// The journal, and the truth.
#[derive(Debug)]
pub(crate) struct Why {
    random: Random,
    links: BTreeMap<(u64, usize, LinkId), LinkNote>,
    pulls: Vec<PullNote>,
    /// Who was pushed what, on which platform.
    pushed: BTreeSet<(UserId, Seq, u8)>,
    pulled: BTreeSet<(UserId, Seq, u8)>,
    /// The clock has fallen or leapt: which run a message is of cannot be told by times.
    pub(crate) clock_is_wrong: bool,
}

impl Why {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed ^ 0x5eed),
            links: BTreeMap::new(),
            pulls: Vec::new(),
            pushed: BTreeSet::new(),
            pulled: BTreeSet::new(),
            clock_is_wrong: false,
        }
    }

    pub(crate) fn was_pushed(&mut self, uid: &UserId, seq: Seq, platform: u8) {
        self.pushed.insert((uid.clone(), seq, platform));
    }

    /// The process was killed, and has begun again.
    pub(crate) fn killed(&mut self, now_ms: i64) {
        for note in self.links.values_mut().filter(|note| note.end.is_none()) {
            note.end = Some(End { at_ms: now_ms, why: Ended::Lost });
        }
    }

    fn trail(&self, asked: Asked) -> Trail {
        let mut trail = Trail::new(asked);
        self.links.values().for_each(|note| trail.see(&Note::Link(*note)));
        self.pulls.iter().for_each(|note| trail.see(&Note::Pull(*note)));
        trail
    }

    fn had(&self, uid: &UserId, seq: Seq, platform: u8) -> bool {
        let of = |had: &BTreeSet<(UserId, Seq, u8)>| match platform {
            0 => (1..=7).any(|platform| had.contains(&(uid.clone(), seq, platform))),
            platform => had.contains(&(uid.clone(), seq, platform)),
        };
        of(&self.pushed) || of(&self.pulled)
    }
}

impl World {
    /// Takes what a shard has noted.
    pub(crate) fn take_notes(&mut self, at: usize) {
        let (life, now_ms) = (self.life, self.unix_ms());
        for Noted { mut note, link } in std::mem::take(&mut self.nodes[at].io.notes) {
            if let Some(end) = &mut note.end {
                end.at_ms = now_ms;
            }
            self.why.links.insert((life, at, link), note);
        }
    }

    /// Some device pulls what there is.
    fn pull_something(&mut self, uid: &UserId, newest: Seq) {
        let random = &mut self.why.random;
        let platform = random.range(1, 7) as u8;
        let from = random.range(1, newest.0 as usize);
        let to = random.range(from, newest.0 as usize);
        let (from, to) = (Seq(from as u64), Seq(to as u64));
        let (who, at_ms) = (Who::new(uid.as_str()), self.unix_ms());
        self.why.pulls.push(PullNote { who, platform, link: None, from, to, at_ms });
        for seq in from.0..=to.0 {
            self.why.pulled.insert((uid.clone(), Seq(seq), platform));
        }
    }

    /// Asks about any place of any inbox that is in memory.
    pub(crate) fn ask_why(&mut self) {
        if self.replay.is_some() || !self.why.random.percent(10) {
            return;
        }
        let nth = self.why.random.below(self.users.len());
        let uid = self.users[nth].clone();
        let at = self.home(&uid);
        let Node { shard, io, .. } = &mut self.nodes[at];
        let Some(bounds) = shard.bounds(uid.as_str()).filter(|bounds| bounds.newest.0 > 0) else {
            return;
        };
        shard.note_links_of(uid.as_str(), io);
        self.take_notes(at);
        if self.why.random.percent(5) {
            self.pull_something(&uid, bounds.newest);
        }
        let seq = Seq(self.why.random.range(1, bounds.newest.0 as usize) as u64);
        let platform = self.why.random.range(0, 7) as u8;
        let expected = self.oracle.ledger.books.at(&uid, seq).expect("L2: the log gives this seq");
        let entries = &self.records.entries;
        let record = entries.binary_search_by_key(&expected.position, |entry| entry.position);
        let record = &entries[record.expect("the log has it")].record;
        let message = Message::decode(record).expect("the shard wrote it");
        let own = message.send_id == uid.as_str();
        let asked = Asked {
            who: Who::new(uid.as_str()),
            platform,
            seq,
            sent_ms: message.send_time_ns.div_euclid(1_000_000),
            origin: (own && message.origin_platform > 0).then_some(message.origin_platform),
            uncopied: own && !message.copy_for_author(seq),
        };
        let found = if seq < bounds.min { Found::Expired } else { Found::Numbered };
        let reason = decide(&Facts { found, trail: self.why.trail(asked), refused: None });
        self.assert_reason_is_right(&uid, &asked, &reason);
        self.oracle.counts.note(&format!("why {}", reason.name()));
    }

    fn assert_reason_is_right(&self, uid: &UserId, asked: &Asked, reason: &Reason) {
        let (why, seq) = (&self.why, asked.seq);
        let told = || format!("{uid} {asked:?} {reason:?}");
        match reason {
            Reason::Pushed(taken) => {
                assert!(why.pushed.contains(&(uid.clone(), seq, taken.platform)), "{}", told());
            }
            Reason::Pulled(taken) => {
                assert!(why.pulled.contains(&(uid.clone(), seq, taken.platform)), "{}", told());
            }
            Reason::OtherDevice(taken) => {
                let right = match taken.how {
                    Had::Sent => asked.origin == Some(taken.platform),
                    Had::Pushed | Had::Pulled => why.had(uid, seq, taken.platform),
                };
                let sent = taken.how == Had::Sent && asked.platform == 0;
                let had = !sent && why.had(uid, seq, asked.platform);
                assert!(right && (!had || why.clock_is_wrong), "{}", told());
            }
            // Nobody has it, as far as is known.
            Reason::Waits { .. } | Reason::Expired => {
                let had = why.had(uid, seq, asked.platform) || asked.origin.is_some();
                assert!(!had || why.clock_is_wrong || !self.is_certain(uid, asked), "{}", told());
                let waits = matches!(reason, Reason::Waits { .. });
                assert!(!waits || !had || why.clock_is_wrong, "{}", told());
            }
            Reason::Cut(cut) => {
                assert_eq!(cut.why, Ended::Lost, "{}", told());
                let pulled = (1..=7)
                    .filter(|platform| asked.platform == 0 || asked.platform == *platform)
                    .any(|platform| why.pulled.contains(&(uid.clone(), seq, platform)));
                assert!(!pulled, "{}", told());
            }
            _ => panic!("{}", told()),
        }
    }

    /// Whether all that was pushed to the user is noted: no process of theirs was killed.
    fn is_certain(&self, uid: &UserId, asked: &Asked) -> bool {
        let who = Who::new(uid.as_str());
        let lost = |note: &&LinkNote| note.end.is_some_and(|end| end.why == Ended::Lost);
        let mut links = self.why.links.values().filter(|note| note.who == who).filter(lost);
        !links.any(|note| note.pushed.newest < asked.seq)
    }
}
