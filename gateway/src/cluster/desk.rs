//! What one shard writes down of its links (R7), and when: entries of links that came, the end of those that went, passes
//! over all of them ([`Announcer`]), looks at the mark.
//!
//! In: links that came and went, the time, answers. Out: calls to presence, one batch at a time, and whom others can know
//! of. Never: a clock, a wait, a call of its own; the task beside this ([`super::announcing`]) has those.
//!
//! A link is let in when its entry is written, or when the mark is known not to stand: then others ask here in any case.
//! A mark stands no longer than [`MARK_KEPT`] behind the last call that may have kept it, so a shard that is cut off from
//! Redis knows when it has none. A look behind one that failed, or while nobody believes in the mark, keeps nothing: that
//! end is not put off. What was not written in time, or nobody knows whether, is made good by another pass.

use std::collections::VecDeque;
use std::time::Duration;

use openim_cluster::redis::MARK_KEPT;
use openim_front::{Announced, Announcer, Entry, LinkId, Step, Written};
use openim_record::{Pauses, Process, UserId};

use crate::driver::{Comings, Gone};

/// Calls of one batch.
const CALLS_MAX: usize = 256;
/// Entries that are written again in a second, and at once.
const AGAIN_PER_SECOND: u64 = 2_000;
const AGAIN_AT_ONCE: u64 = 200;
/// How often all entries are written again while the mark stands: less than Redis keeps them.
const REFRESH_MS: u64 = 10 * 60 * 1000;
/// Between two looks at the mark.
const LOOK_MS: u64 = 1_000;
/// Looks that may fail one after the other before the mark is given up.
const LOOKS_FAILED_MAX: u32 = 2;
/// What is waited after a batch that failed: doubled with each, and at most.
const RESTS: Pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(2));
/// When nothing else is to be done.
const IDLE_MS: u64 = 250;

/// A call to presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Write an entry; for a pass, or for none.
    Write { uid: UserId, platform: u8, link: LinkId, epoch: u64, pass: Option<u64> },
    /// Remove that of a link that has gone.
    Remove(Gone),
    /// Put the number of a pass into the mark's place.
    Begin(u64),
    /// Turn it into the mark.
    End(u64),
    /// What stands there? It `keeps` the mark, or leaves it to its end.
    Look { keeps: bool },
}

/// What came of it; `None` of each: it was not carried out, or nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Write(Option<Written>),
    /// Of what says nothing else.
    Done(bool),
    Ended(Option<bool>),
    Looked(Option<Option<Announced>>),
}

/// The links of a shard, as its front has them.
pub(super) trait Links {
    /// All there are.
    fn all(&self) -> Vec<LinkId>;

    /// Whose link it is and on which platform, if it receives.
    fn receiving(&self, link: LinkId) -> Option<(UserId, u8)>;
}

/// Links that are not the user's on their platform any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    /// Of this shard.
    pub(super) here: Vec<LinkId>,
    /// Of others.
    pub(super) elsewhere: Vec<Entry>,
}

/// See the module. Times are monotonic milliseconds.
#[derive(Debug)]
pub(super) struct Desk {
    process: Process,
    announcer: Announcer,
    epochs: Epochs,
    /// Links of a pass for which there was no leave yet, with its number.
    again: VecDeque<(u64, LinkId)>,
    /// Links whose entries are to be written again while the mark stands.
    refresh: VecDeque<LinkId>,
    refresh_at_ms: u64,
    /// Until when the mark may stand, whatever happens; 0: it does not.
    stands_until_ms: u64,
    leave: Leave,
    /// Links that came or went had the last batch.
    others_turn: bool,
    look_at_ms: u64,
    looks_failed: u32,
    rest_until_ms: u64,
    rests: Pauses,
}

impl Desk {
    /// Of a shard without links.
    pub(super) fn new(process: Process, now_ms: u64) -> Self {
        let jitter = jitter(process);
        Self {
            process,
            announcer: Announcer::default(),
            epochs: Epochs::default(),
            again: VecDeque::new(),
            refresh: VecDeque::new(),
            // Shards that began together do not write together.
            refresh_at_ms: now_ms + REFRESH_MS / 2 + jitter % (REFRESH_MS / 2),
            stands_until_ms: 0,
            leave: Leave { at_ms: now_ms, entries: 0 },
            others_turn: false,
            look_at_ms: now_ms,
            looks_failed: 0,
            rest_until_ms: 0,
            rests: RESTS,
        }
    }

    /// Whether the mark stands, as far as is known.
    pub(super) fn is_marked(&self) -> bool {
        self.announcer.is_marked()
    }

    /// How long nothing is to be done, unless links come or go.
    pub(super) fn idle_ms(&self, now_ms: u64) -> u64 {
        let rests = self.rest_until_ms.saturating_sub(now_ms);
        let look = self.look_at_ms.saturating_sub(now_ms);
        // Until there is leave for some entries.
        let writes = if self.again.is_empty() && self.refresh.is_empty() { IDLE_MS } else { 20 };
        // Whoever waits for the end of the mark is let in then.
        rests.max(look.min(writes)).min(self.stands_ms(now_ms)).max(1)
    }

    /// For how long the mark may stand yet, whatever happens. Without one nothing ends; then for long.
    pub(super) fn stands_ms(&self, now_ms: u64) -> u64 {
        match self.stands_until_ms.saturating_sub(now_ms) {
            0 => REFRESH_MS,
            left => left,
        }
    }

    /// Calls are late: without a mark nobody waits for them.
    pub(super) fn late(&self, comings: &mut Comings, now_ms: u64) {
        if now_ms >= self.stands_until_ms {
            comings.all_known();
        }
    }

    /// The calls to make now, in any order; [`Self::answered`] follows, and no others before it.
    pub(super) fn next(
        &mut self,
        links: &impl Links,
        comings: &mut Comings,
        now_ms: u64,
    ) -> Vec<Call> {
        if comings.take_missed() {
            self.announcer.missed();
        }
        if now_ms >= self.stands_until_ms {
            comings.all_known();
        }
        if now_ms < self.rest_until_ms {
            return Vec::new();
        }
        let mut calls = Vec::new();
        // Those who came or went and those of a pass take turns: no link is in one batch twice.
        if std::mem::take(&mut self.others_turn) {
            self.again(links, true, &mut calls, now_ms);
        }
        if calls.is_empty() {
            self.noted(links, comings, &mut calls);
            self.others_turn = !calls.is_empty();
        }
        if calls.is_empty() {
            self.again(links, false, &mut calls, now_ms);
        }
        // A look beside one of these could be answered with what was there before.
        let of_mark = |call: &Call| matches!(call, Call::Begin(_) | Call::End(_));
        if now_ms >= self.look_at_ms && !calls.iter().any(of_mark) {
            self.look_at_ms = now_ms + LOOK_MS;
            let keeps = self.looks_failed == 0
                && (self.announcer.is_marked() || now_ms >= self.stands_until_ms);
            calls.push(Call::Look { keeps });
        }
        calls
    }

    /// What is to be said of links that came and went.
    fn noted(&mut self, links: &impl Links, comings: &mut Comings, calls: &mut Vec<Call>) {
        while calls.len() < CALLS_MAX
            && let Some(gone) = comings.next_gone()
        {
            calls.push(Call::Remove(gone));
        }
        while calls.len() < CALLS_MAX
            && let Some(link) = comings.next_came()
        {
            // A pass was quicker, perhaps.
            match (self.epochs.of(link), links.receiving(link)) {
                (0, Some((uid, platform))) => {
                    calls.push(Call::Write { uid, platform, link, epoch: 0, pass: None });
                }
                _ => comings.known(link),
            }
        }
    }

    /// What is to be written again; `others`: some who came are not looked at yet.
    fn again(&mut self, links: &impl Links, others: bool, calls: &mut Vec<Call>, now_ms: u64) {
        self.leave.earn(now_ms);
        while calls.len() < CALLS_MAX {
            let (pass, link) = match self.again.pop_front() {
                Some((pass, link)) => (Some(pass), link),
                None => match self.step(others) {
                    Some(Step::Write(pass, link)) => (Some(pass), link),
                    Some(Step::Begin(pass)) => {
                        (self.again, self.refresh) = (VecDeque::new(), VecDeque::new());
                        return calls.push(Call::Begin(pass));
                    }
                    Some(Step::End(pass)) => return calls.push(Call::End(pass)),
                    None => match self.next_refresh(links, now_ms) {
                        Some(link) => (None, link),
                        None => return,
                    },
                },
            };
            let Some((uid, platform)) = links.receiving(link) else {
                // A link that has gone is none that is missing.
                if let Some(pass) = pass {
                    self.announcer.wrote(pass, true);
                }
                continue;
            };
            if !self.leave.take() {
                match pass {
                    Some(pass) => self.again.push_front((pass, link)),
                    None => self.refresh.push_front(link),
                }
                return;
            }
            let epoch = self.epochs.of(link);
            calls.push(Call::Write { uid, platform, link, epoch, pass });
        }
    }

    /// The next step of a pass. It does not end before all who came are written.
    fn step(&mut self, others: bool) -> Option<Step> {
        match others && self.announcer.ends_next() {
            true => None,
            false => self.announcer.step(),
        }
    }

    fn next_refresh(&mut self, links: &impl Links, now_ms: u64) -> Option<LinkId> {
        if !self.announcer.is_marked() {
            return None;
        }
        if now_ms >= self.refresh_at_ms {
            self.refresh_at_ms = now_ms + REFRESH_MS;
            self.refresh = links.all().into();
        }
        self.refresh.pop_front()
    }

    /// What came of the calls that were made at `asked_ms`. Whoever is replaced is to be told.
    pub(super) fn answered(
        &mut self,
        answers: Vec<(Call, Answer)>,
        links: &impl Links,
        comings: &mut Comings,
        (asked_ms, now_ms): (u64, u64),
    ) -> Replaced {
        let (mut replaced, mut failed) = (Replaced::default(), false);
        for (call, answer) in answers {
            match (call, answer) {
                (Call::Write { link, pass, .. }, Answer::Write(written)) => {
                    failed |= written.is_none();
                    self.wrote(link, pass, written, &mut replaced);
                    if written.is_some() {
                        comings.known(link);
                    }
                }
                (Call::Remove(gone), Answer::Done(removed)) => {
                    failed |= !removed;
                    if !removed {
                        comings.left(gone);
                    }
                }
                (Call::Begin(pass), Answer::Done(begun)) => {
                    failed |= !begun;
                    if begun {
                        self.stands_until_ms = 0;
                    }
                    self.announcer.begun(pass, begun, links.all().into_iter());
                }
                (Call::End(pass), Answer::Ended(ended)) => {
                    failed |= ended.is_none();
                    let may_stand = ended != Some(false);
                    self.stands_until_ms = if may_stand { now_ms + kept_ms() } else { 0 };
                    self.announcer.ended(pass, ended == Some(true));
                }
                (Call::Look { keeps }, Answer::Looked(looked)) => {
                    failed |= looked.is_none();
                    self.looked(looked, keeps, (asked_ms, now_ms));
                }
                // Each call is answered in its own kind.
                (_, _) => failed = true,
            }
        }
        self.rest(failed, now_ms);
        replaced
    }

    fn wrote(
        &mut self,
        link: LinkId,
        pass: Option<u64>,
        written: Option<Written>,
        replaced: &mut Replaced,
    ) {
        match written {
            Some(Written::Stands { epoch, replaced: other }) => {
                self.epochs.set(link, epoch);
                // Its front has replaced one of its own already.
                replaced.elsewhere.extend(other.filter(|other| other.process != self.process));
            }
            Some(Written::Older) => replaced.here.push(link),
            None => {}
        }
        match pass {
            Some(pass) => self.announcer.wrote(pass, written.is_some()),
            None if written.is_none() => self.announcer.missed(),
            None => {}
        }
    }

    fn looked(
        &mut self,
        looked: Option<Option<Announced>>,
        keeps: bool,
        (asked_ms, now_ms): (u64, u64),
    ) {
        let Some(found) = looked else {
            self.looks_failed += 1;
            // It may have been carried out, which keeps a mark that stood then.
            if keeps && self.stands_until_ms > asked_ms {
                self.stands_until_ms = now_ms + kept_ms();
            }
            if self.looks_failed >= LOOKS_FAILED_MAX {
                self.announcer.missed();
            }
            return;
        };
        self.looks_failed = 0;
        let stands = matches!(found, Some(Announced::All(_)));
        self.stands_until_ms = if stands { now_ms + kept_ms() } else { 0 };
        self.announcer.looked(found);
    }

    fn rest(&mut self, failed: bool, now_ms: u64) {
        if !failed {
            self.rests.start_over();
            return;
        }
        // Not all shards at once.
        let rest_ms = self.rests.failed().as_millis() as u64;
        self.rest_until_ms = now_ms + rest_ms + jitter(self.process) % (rest_ms / 2);
    }
}

/// Any number, another for each shard: those of a process differ in the end of their ids alone.
fn jitter(process: Process) -> u64 {
    let [.., of_process, _, _] = process.0;
    u64::from(of_process) * 1_171 + u64::from(process.number()) * 37_397
}

fn kept_ms() -> u64 {
    u64::try_from(MARK_KEPT.as_millis()).unwrap_or(u64::MAX)
}

/// Leave to write entries again.
#[derive(Debug)]
struct Leave {
    at_ms: u64,
    entries: u64,
}

impl Leave {
    fn earn(&mut self, now_ms: u64) {
        let earned = now_ms.saturating_sub(self.at_ms).saturating_mul(AGAIN_PER_SECOND) / 1_000;
        if earned > 0 {
            (self.at_ms, self.entries) = (now_ms, (self.entries + earned).min(AGAIN_AT_ONCE));
        }
    }

    fn take(&mut self) -> bool {
        let any = self.entries > 0;
        self.entries = self.entries.saturating_sub(1);
        any
    }
}

/// The epochs of entries that were written, by slot of the link.
#[derive(Debug, Default)]
struct Epochs(Vec<(u32, u64)>);

impl Epochs {
    /// 0: it has none yet.
    fn of(&self, link: LinkId) -> u64 {
        let found = self.0.get(link.index as usize);
        found
            .filter(|(generation, _)| *generation == link.generation)
            .map_or(0, |(_, epoch)| *epoch)
    }

    fn set(&mut self, link: LinkId, epoch: u64) {
        let at = link.index as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, (0, 0));
        }
        self.0[at] = (link.generation, epoch);
    }
}

#[cfg(test)]
mod tests;
