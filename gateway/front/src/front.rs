//! The links, and the sends between them and the log.
//!
//! In: decoded requests, what became of submissions, deliveries, loaded tokens, link events, the time. Out:
//! [`Effects`]. Never: a socket, a clock, a wait.

use std::collections::VecDeque;

use openim_auth::{LoginPolicy, NewestTokens};
use openim_cache::Loads;
use openim_record::{Access, Now, Placement, UserId};

use crate::LinkId;
use crate::effects::{Effects, SendRefused};
use crate::limits::Limits;
use crate::links::{Credentials, Links};
use crate::pending::{Due, Pending};
use crate::send_clock::SendClock;
use crate::sweep::{Deadlines, Sweep, Verdict};

mod books;
mod connections;
mod sends;
#[cfg(test)]
mod tests;

pub use books::Delivered;

/// The state of one front.
#[derive(Debug)]
pub struct Front {
    placement: Placement,
    limits: Limits,
    links: Links,
    pending: Pending,
    /// Users whose tokens are on their way into memory.
    loads: Loads,
    times: SendClock,
    sweep: Sweep,
    verdicts: Vec<Verdict>,
    duplicates: u64,
    /// Seconds of the clock at the last tick.
    ticked_at_s: u32,
    /// Links to resume when a ring has room again.
    blocked: VecDeque<LinkId>,
    /// Links that were told of room in this round (from tick to tick) and have not come yet.
    called: usize,
    round: u32,
    /// Links that were pushed to since that was noted, and when first (seconds of the shard's clock): each once, some that
    /// have ended.
    unnoted: VecDeque<(LinkId, u32)>,
    delivered: Delivered,
}

impl Front {
    /// A front without links.
    #[must_use]
    pub fn new(placement: Placement, policy: LoginPolicy, mut limits: Limits) -> Self {
        // With zero nothing would ever be admitted, and what is held never resumed.
        limits.in_flight_per_link = limits.in_flight_per_link.max(1);
        Self {
            placement,
            links: Links::new(policy, limits.users_max),
            limits,
            pending: Pending::default(),
            loads: Loads::default(),
            times: SendClock::default(),
            sweep: Sweep::default(),
            verdicts: Vec::new(),
            duplicates: 0,
            ticked_at_s: 0,
            blocked: VecDeque::new(),
            called: 0,
            round: 1,
            unnoted: VecDeque::new(),
            delivered: Delivered::default(),
        }
    }

    /// The bounds it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// From now on tokens of at most this many users stay in memory besides those of live links.
    pub fn set_users_max(&mut self, users_max: usize) {
        self.limits.users_max = users_max;
        self.links.set_tokens_max(users_max);
    }

    /// From now on a link may send this many frames per second; 0: any number.
    pub fn set_frames_per_second(&mut self, frames_per_second: u32) {
        self.limits.frames_per_second = frames_per_second;
    }

    /// From now on no login ends tokens of these users.
    pub fn exempt(&mut self, users: impl IntoIterator<Item = UserId>) {
        self.links.exempt(users);
    }

    // --- tokens --------------------------------------------------------------------------------

    /// Whether `uid`'s newest tokens are in memory.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.links.knows(uid)
    }

    /// Somebody waits for a user's tokens to come into memory.
    pub fn want(&mut self, uid: &UserId) {
        if !self.links.knows(uid.as_str()) {
            self.loads.want(uid);
        }
    }

    /// What is in memory of a user's tokens has passed, perhaps: the stores are asked, and what they answer from now on
    /// takes its place. Until then it is what holds.
    pub fn reload(&mut self, uid: &UserId) {
        // An answer that is on its way was read before.
        self.loads.outdated(uid.as_str());
        self.loads.want(uid);
    }

    /// The next user whose tokens the stores are to be asked for; [`Self::loaded`] or
    /// [`Self::load_failed`] follows.
    pub fn next_load(&mut self) -> Option<UserId> {
        self.loads.next(false)
    }

    /// The stores could not be asked for a user now.
    pub fn put_load_back(&mut self, uid: &UserId) {
        self.loads.put_back(uid);
    }

    /// The stores have failed to give a user's tokens. Whoever wants them asks again.
    pub fn load_failed(&mut self, uid: &UserId, now: Now) {
        self.loads.failed(uid, now.mono_ms);
    }

    /// The stores have given a user's newest tokens, and what was decided about them. `false`: they were
    /// read before something that they do not show, and the stores are asked again.
    pub fn loaded(
        &mut self,
        uid: &UserId,
        tokens: NewestTokens,
        access: Option<Box<Access>>,
    ) -> bool {
        if !self.loads.answered(uid) {
            return false;
        }
        let loads = &mut self.loads;
        self.links.load(uid, tokens, access, |left| loads.outdated(left.as_str()));
        true
    }

    /// Whether a verified token is still the bearer's to use. `None`: load the user first.
    #[must_use]
    pub fn admits(&self, uid: &str, credentials: &Credentials, now_unix_s: i64) -> Option<bool> {
        self.links.admits(uid, credentials, now_unix_s)
    }

    /// Whether a user's tokens are to be read again, and the user's links held against them, as the stores were found to
    /// have this of them.
    #[must_use]
    pub fn differs(
        &self,
        uid: &str,
        newest: &NewestTokens,
        access: Option<&Access>,
        now_unix_s: i64,
    ) -> bool {
        self.links.differs(uid, newest, access, now_unix_s)
    }

    /// What was decided about a user's tokens, if the user is in memory.
    #[must_use]
    pub fn access(&self, uid: &str) -> Option<&Access> {
        self.links.access(uid)
    }

    /// When the newest token of a user in memory was issued.
    #[must_use]
    pub fn newest_issued(&self, uid: &str) -> Option<i64> {
        self.links.newest_issued(uid)
    }

    // --- time ----------------------------------------------------------------------------------

    /// Lets time pass: late sends are refused, what waits for a settlement waits no longer, quiet links
    /// are pinged, dead ones closed.
    pub fn tick(&mut self, now: Now, fx: &mut impl Effects) {
        self.ticked_at_s = now.mono_s();
        self.note_pushed(now, fx);
        self.next_round();
        self.loads.tick(now.mono_ms);
        while let Some(due) = self.pending.expire(now.mono_ms) {
            match due {
                Due::Answer(answered) => {
                    self.release(answered, fx, |origin, fx| {
                        fx.refuse(origin, SendRefused::Timeout)
                    });
                }
                Due::Settlement(waits, key, send_time_ns) => {
                    self.settles_late(waits, key, send_time_ns, fx);
                }
            }
        }
        if self.pending.overdue() {
            self.room(usize::MAX, fx);
        }
        let deadlines = Deadlines {
            ping_s: self.limits.ping_s,
            pings_missed_max: self.limits.pings_missed_max,
            write_stall_s: self.limits.write_stall_s,
        };
        let mut verdicts = std::mem::take(&mut self.verdicts);
        self.sweep.turn(&mut self.links, deadlines, now.mono_s(), now.trusted_s(), &mut verdicts);
        for verdict in verdicts.drain(..) {
            match verdict {
                Verdict::Ping(link) => fx.ping(link),
                Verdict::Close(link, reason) => self.cut(link, reason, fx),
            }
        }
        self.verdicts = verdicts;
    }

    /// Sends answered with the receipt of an earlier one so far.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Sends that the log owes an answer, or that are not settled.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Sends that the log owes an answer.
    #[must_use]
    pub fn unanswered_len(&self) -> usize {
        self.pending.unanswered_len()
    }

    /// Links held for room in a ring, those that have left since included.
    #[must_use]
    pub fn blocked_len(&self) -> usize {
        self.blocked.len()
    }

    /// Panics when the state contradicts itself; walks everything, for tests.
    pub fn check_invariants(&self) {
        self.pending.check_invariants();
        self.loads.check_invariants();
        self.links.check_invariants();
        let links = || self.links.ids().filter_map(|id| self.links.get(id));
        let called = links().filter(|link| link.called_in == self.round).count();
        assert_eq!(self.called, called, "links that were told of room");
        for link in links() {
            assert!(link.in_flight <= self.limits.in_flight_per_link, "sends in flight");
            let full = link.outbox_bytes > self.limits.outbox_bytes_max;
            assert!(!full || link.closing, "a full outbox closes its link");
            assert!(!link.settles_late || link.unsettled > 0, "late is what is not settled");
        }
    }
}
