//! How far the mobile terminals of users at home here have got: what offline push asks of a shard.
//!
//! In: links that end, pulls. Out: of a message in an inbox where it lies there, and how far a mobile terminal has got ([`Told`]).
//! Bounded: as many users as the shard keeps in memory; who was not heard of for longest is forgotten, and is told of a message
//! once more than needed at worst. Kept only where something is pushed. Never: waits, but for a user who is loaded, or is
//! noticed by a delivery.

use openim_auth::Platform;
use openim_record::{LinkId, Position, Seq, UserId, broken};
use openim_shard::{Cache, LinkState};

use super::Core;
use crate::egress::Untaken;

/// See the module.
pub(crate) struct Reached {
    users: Cache<Far>,
    users_max: usize,
    /// The link that is being closed, and what its socket has not taken.
    ending: Option<(LinkId, Untaken)>,
}

/// How far it is with a user.
#[derive(Clone, Copy, Default)]
struct Far {
    /// A mobile terminal has got so far; 0: not known.
    got: Seq,
    /// From here on it is counted what none has got.
    counted: Option<Seq>,
}

/// What a home tells of a message in the inbox of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its number, if it lies among those that are not stored yet.
    pub(crate) seq: Option<Seq>,
    /// Where the first of these lies; `None`: all are stored.
    pub(crate) unstored_from: Option<Position>,
    /// What the store has of the inbox: the oldest kept, and the newest.
    pub(crate) stored: (Seq, Seq),
    /// The newest of the inbox.
    pub(crate) newest: Seq,
    /// How far a mobile terminal has got, as far as is known; 0: not known.
    pub(crate) got: Seq,
    /// What lies behind it is unread, as far as is known.
    pub(crate) counted: Seq,
    /// A mobile terminal has a link, and may get it yet.
    pub(crate) linked: bool,
}

/// Whether something can be pushed to a terminal that is away.
pub(crate) fn is_mobile(platform: u8) -> bool {
    platform == Platform::Ios.id() || platform == Platform::Android.id()
}

impl Reached {
    pub(crate) fn new(users_max: usize) -> Self {
        Self { users: Cache::new(), users_max: users_max.max(1), ending: None }
    }

    /// A mobile terminal has got so far.
    pub(crate) fn note(&mut self, uid: &str, seq: Seq) {
        let far = self.of(uid);
        far.got = seq.max(far.got);
    }

    /// Somebody is told of this one: unless that is known, it is the first that is unread.
    fn count_from(&mut self, uid: &str, seq: Seq) -> Seq {
        let far = self.of(uid);
        let counted = *far.counted.get_or_insert(Seq(seq.0.saturating_sub(1)));
        if far.got.0 > 0 { far.got } else { counted }
    }

    fn of(&mut self, uid: &str) -> &mut Far {
        if !self.users.contains(uid) {
            let far = Far::default();
            self.users.insert(&UserId::new(uid), far, self.users_max, |_, _| true, |_, _| ());
        }
        self.users.get_mut(uid).unwrap_or_else(|| broken("who was added is there"))
    }

    /// A link is about to be closed.
    pub(super) fn ends(&mut self, link: LinkId, untaken: Untaken) {
        self.ending = Some((link, untaken));
    }

    /// A link has ended.
    pub(super) fn ended(&mut self, state: &LinkState<'_>, untaken: Option<Untaken>) {
        let before = self.ending.take_if(|(link, _)| *link == state.link).map(|(_, of)| of);
        let taken = taken(state.pushed.newest, before.or(untaken).unwrap_or_default());
        if is_mobile(state.platform) && taken.0 > 0 {
            self.note(state.uid, taken);
        }
    }
}

/// The last that the socket has taken of what was pushed.
fn taken(pushed: Seq, untaken: Untaken) -> Seq {
    match untaken.first {
        Seq(0) => pushed,
        first => Seq(first.0 - 1).min(pushed),
    }
}

impl Core {
    /// A user at home here has pulled so far on a platform.
    pub(crate) fn note_reached(&self, uid: &str, platform: u8, seq: Seq) {
        if is_mobile(platform)
            && let Some(reached) = &mut self.io.borrow_mut().reached
        {
            reached.note(uid, seq);
        }
    }

    /// What is known of messages in inboxes of users at home here; `None` of one who could not be loaded.
    pub(crate) async fn told_of(&self, asked: &[(UserId, Position)]) -> Vec<Option<Told>> {
        let mut told = Vec::with_capacity(asked.len());
        for (uid, position) in asked {
            told.push(match self.ensure_loaded(uid).await {
                Ok(()) => self.told_now(uid.as_str(), *position),
                Err(_) => None,
            });
        }
        told
    }

    fn told_now(&self, uid: &str, position: Position) -> Option<Told> {
        let mut shard = self.shard.borrow_mut();
        let bounds = shard.bounds(uid)?;
        let unstored = shard.back().unstored(uid, Seq(1), bounds.newest);
        let at = unstored.binary_search_by_key(&position, |(_, position)| *position);
        let seq = at.ok().and_then(|at| unstored.get(at)).map(|(seq, _)| *seq);
        let first = unstored.first().copied();
        let stored_to = first.map_or(bounds.newest, |(seq, _)| Seq(seq.0.saturating_sub(1)));
        drop(shard);
        let (got, linked, passed) = self.got(uid, seq.unwrap_or_default());
        let mut counted = got;
        if let Some(seq) = seq.filter(|_| !passed)
            && let Some(reached) = &mut self.io.borrow_mut().reached
        {
            counted = reached.count_from(uid, seq);
        }
        Some(Told {
            seq,
            unstored_from: first.map(|(_, position)| position),
            stored: (bounds.min.max(Seq(1)), stored_to),
            newest: bounds.newest,
            got: if passed { got.max(seq.unwrap_or_default()) } else { got },
            counted,
            linked,
        })
    }

    /// Whether a mobile terminal of a user at home here has got a message.
    pub(crate) fn has_got(&self, uid: &str, seq: Seq) -> bool {
        let (got, _, passed) = self.got(uid, seq);
        passed || got >= seq
    }

    /// How far a mobile terminal has got, whether one has a link, and whether such a link was pushed a message.
    fn got(&self, uid: &str, seq: Seq) -> (Seq, bool, bool) {
        let shard = self.shard.borrow();
        let mut io = self.io.borrow_mut();
        let (mut linked, mut passed) = (false, false);
        for (link, _) in shard.front().links_of(uid).filter(|(_, platform)| is_mobile(*platform)) {
            linked = true;
            let Some(untaken) = io.link(link).map(|link| link.untaken()) else { continue };
            let pushed = shard.front().pushed_to(link);
            let to = taken(pushed.newest, untaken);
            passed |= pushed.first.0 > 0 && (pushed.first..=to).contains(&seq);
        }
        let far = io.reached.as_ref().and_then(|reached| reached.users.get(uid));
        (far.copied().unwrap_or_default().got, linked, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_socket_has_not_taken_was_not_got() {
        let untaken = |first| Untaken { first: Seq(first), unbegun: Seq(0) };
        assert_eq!(taken(Seq(9), untaken(0)), Seq(9));
        assert_eq!(taken(Seq(9), untaken(7)), Seq(6));
        assert_eq!(taken(Seq(9), untaken(1)), Seq(0));
        let mut reached = Reached::new(2);
        reached.note("a", Seq(5));
        reached.note("a", Seq(3));
        assert_eq!((reached.of("a").got, reached.of("b").got), (Seq(5), Seq(0)));
        // Nobody has got what was told of since.
        assert_eq!((reached.count_from("b", Seq(3)), reached.of("b").got), (Seq(2), Seq(0)));
        assert_eq!(
            (reached.count_from("b", Seq(4)), reached.count_from("a", Seq(9))),
            (Seq(2), Seq(5))
        );
    }
}
