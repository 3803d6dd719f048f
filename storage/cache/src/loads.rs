//! Users on their way into memory: whom to ask the stores for next, each once at a time.
//!
//! In: who is wanted, what the stores answered, who left memory. Out: the next user to ask for.
//!
//! Invariants: whom somebody waits for is asked for before those who are only expected, also when they
//! were expected before; an answer that was read before its user left memory, or was issued a token, is
//! not believed (it may show what has passed: a seq would be given twice, L2, or an older token come
//! back, L8); what failed and is still needed is asked for again, after a rest.

use std::collections::VecDeque;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::{Pauses, UserId};

/// What a user who is needed rests after a first failure, and at most; it doubles with each.
const RESTS: Pauses = Pauses::new(Duration::from_millis(100), Duration::from_millis(3_200));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody waits for the user yet.
    Expected,
    /// Somebody does.
    Wanted,
    /// The stores were asked.
    Asked,
    /// They failed; asked again then (monotonic milliseconds).
    Resting(u64),
}

#[derive(Debug)]
struct Load {
    state: State,
    /// What was asked for is not to be believed.
    stale: bool,
    /// A partition stands still until the user is there.
    needed: bool,
    failures: u32,
}

/// See the module. Bounded by whoever waits: tasks, partitions, and members whose turn is to come.
#[derive(Debug, Default)]
pub struct Loads {
    by_user: HashMap<UserId, Load, RandomState>,
    wanted: VecDeque<UserId>,
    /// With some who are wanted by now, or were loaded since; they are passed over.
    expected: VecDeque<UserId>,
    expected_len: usize,
    resting: Vec<UserId>,
}

impl Loads {
    /// Somebody waits for a user. One that rests is asked for at once.
    pub fn want(&mut self, uid: &UserId) {
        self.enter(uid, State::Wanted);
    }

    /// A partition stands still until the user is there.
    pub fn need(&mut self, uid: &UserId) {
        if !matches!(self.by_user.get(uid), Some(Load { state: State::Resting(_), .. })) {
            self.enter(uid, State::Wanted);
        }
        if let Some(load) = self.by_user.get_mut(uid) {
            load.needed = true;
        }
    }

    /// Somebody is going to need a user.
    pub fn expect(&mut self, uid: &UserId) {
        if !self.by_user.contains_key(uid) {
            self.enter(uid, State::Expected);
        }
    }

    fn enter(&mut self, uid: &UserId, to: State) {
        let before = self.by_user.get(uid).map(|load| load.state);
        if matches!(before, Some(State::Wanted | State::Asked)) {
            return;
        }
        match before {
            Some(State::Expected) => self.expected_len -= 1,
            Some(State::Resting(_)) => self.resting.retain(|other| other != uid),
            Some(State::Wanted | State::Asked) | None => {}
        }
        match to {
            State::Expected => {
                self.expected_len += 1;
                self.expected.push_back(uid.clone());
            }
            State::Wanted | State::Asked | State::Resting(_) => self.wanted.push_back(uid.clone()),
        }
        let load = self.by_user.entry(uid.clone()).or_insert(Load {
            state: to,
            stale: false,
            needed: false,
            failures: 0,
        });
        load.state = to;
        self.forget_passed();
    }

    /// Those who were expected and are not any more: no more of them than of the others.
    fn forget_passed(&mut self) {
        if self.expected.len() > 64 && self.expected.len() > 2 * self.expected_len {
            let by_user = &self.by_user;
            let mut seen = hashbrown::HashSet::with_hasher(RandomState::default());
            self.expected.retain(|uid| {
                let open = matches!(by_user.get(uid), Some(Load { state: State::Expected, .. }));
                open && seen.insert(uid.clone())
            });
        }
    }

    /// The next user to ask the stores for; whom nobody waits for only when `expected` are to be asked
    /// for too.
    pub fn next(&mut self, expected: bool) -> Option<UserId> {
        if let Some(uid) = self.wanted.pop_front() {
            self.by_user.get_mut(&uid)?.state = State::Asked;
            return Some(uid);
        }
        while expected && let Some(uid) = self.expected.pop_front() {
            if let Some(load @ Load { state: State::Expected, .. }) = self.by_user.get_mut(&uid) {
                load.state = State::Asked;
                self.expected_len -= 1;
                self.forget_passed();
                return Some(uid);
            }
        }
        None
    }

    /// The stores could not be asked for a user now.
    pub fn put_back(&mut self, uid: &UserId) {
        if let Some(load @ Load { state: State::Asked, .. }) = self.by_user.get_mut(uid) {
            load.state = State::Wanted;
            self.wanted.push_front(uid.clone());
        }
    }

    /// The stores have answered. Whether it is to be believed; if not, they are asked again.
    pub fn answered(&mut self, uid: &UserId) -> bool {
        match self.by_user.get_mut(uid) {
            Some(load @ Load { state: State::Asked, stale: true, .. }) => {
                load.stale = false;
                load.state = State::Wanted;
                self.wanted.push_back(uid.clone());
                false
            }
            Some(Load { state: State::Asked, .. }) => {
                self.by_user.remove(uid);
                true
            }
            // Nobody asked.
            Some(_) | None => false,
        }
    }

    /// The stores have failed. Who is needed is asked for again.
    pub fn failed(&mut self, uid: &UserId, now_ms: u64) {
        match self.by_user.get_mut(uid) {
            Some(load @ Load { state: State::Asked, needed: true, .. }) => {
                load.failures = load.failures.saturating_add(1);
                let rest = RESTS.behind(load.failures);
                let rest_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
                load.stale = false;
                load.state = State::Resting(now_ms + rest_ms);
                self.resting.push(uid.clone());
            }
            Some(Load { state: State::Asked, .. }) => drop(self.by_user.remove(uid)),
            Some(_) | None => {}
        }
    }

    /// What the stores hold of a user is about to be, or was, newer than what they may have answered.
    pub fn outdated(&mut self, uid: &str) {
        if let Some(load) = self.by_user.get_mut(uid) {
            load.stale |= load.state == State::Asked;
        }
    }

    /// Lets time pass: who has rested is wanted again.
    pub fn tick(&mut self, now_ms: u64) {
        let Self { by_user, wanted, resting, .. } = self;
        resting.retain(|uid| match by_user.get_mut(uid) {
            Some(Load { state: State::Resting(at_ms), .. }) if *at_ms > now_ms => true,
            Some(load @ Load { state: State::Resting(_), .. }) => {
                load.state = State::Wanted;
                wanted.push_back(uid.clone());
                false
            }
            Some(_) | None => false,
        });
    }

    /// Whether a user is on the way, and not behind those whom nobody waits for.
    #[must_use]
    pub fn hastens(&self, uid: &str) -> bool {
        self.by_user.get(uid).is_some_and(|load| load.state != State::Expected)
    }

    /// Panics when the queues contradict the states; walks everything, for tests.
    pub fn check_invariants(&self) {
        let count =
            |is: fn(State) -> bool| self.by_user.values().filter(|load| is(load.state)).count();
        assert_eq!(self.wanted.len(), count(|state| state == State::Wanted), "each wanted once");
        assert_eq!(self.expected_len, count(|state| state == State::Expected), "expected");
        let resting = count(|state| matches!(state, State::Resting(_)));
        assert_eq!(self.resting.len(), resting, "each rests once");
        assert!(self.expected.len() <= 66 + 2 * self.expected_len, "who was expected is forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(name: &str) -> UserId {
        UserId::new(name)
    }

    #[test]
    fn who_is_wanted_overtakes_who_is_expected() {
        let mut loads = Loads::default();
        for name in ["a", "b", "c"] {
            loads.expect(&uid(name));
        }
        loads.want(&uid("c"));
        loads.want(&uid("c"));
        assert_eq!(loads.next(false), Some(uid("c")));
        assert_eq!(loads.next(false), None);
        assert_eq!(loads.next(true), Some(uid("a")));
        loads.need(&uid("a"));
        loads.want(&uid("b"));
        assert_eq!(loads.next(false), Some(uid("b")));
        assert_eq!(loads.next(true), None, "all were asked for");
        loads.check_invariants();
    }

    #[test]
    fn who_was_expected_long_ago_is_forgotten() {
        let mut loads = Loads::default();
        for n in 0..1_000 {
            let user = uid(&format!("u{n}"));
            loads.expect(&user);
            loads.want(&user);
            assert_eq!(loads.next(false), Some(user.clone()));
            assert!(loads.answered(&user));
            loads.check_invariants();
        }
    }

    #[test]
    fn an_answer_from_before_is_not_believed() {
        let mut loads = Loads::default();
        loads.want(&uid("a"));
        loads.outdated("a");
        assert_eq!(loads.next(false), Some(uid("a")));
        loads.outdated("a");
        assert!(!loads.answered(&uid("a")));
        assert_eq!(loads.next(false), Some(uid("a")), "asked again");
        assert!(loads.answered(&uid("a")));
        assert!(!loads.answered(&uid("a")), "nobody asked");
    }

    #[test]
    fn who_is_needed_is_asked_for_again_after_longer_and_longer_rests() {
        let mut loads = Loads::default();
        let (mut now_ms, mut rests) = (0, Vec::new());
        loads.need(&uid("a"));
        for _ in 0..8 {
            assert_eq!(loads.next(true), Some(uid("a")));
            loads.failed(&uid("a"), now_ms);
            let failed_ms = now_ms;
            while loads.next(true).map(|uid| loads.put_back(&uid)).is_none() {
                now_ms += 10;
                // Whoever comes behind in the partition does not make it more often.
                loads.need(&uid("a"));
                loads.tick(now_ms);
            }
            rests.push(now_ms - failed_ms);
        }
        assert_eq!(rests, [100, 200, 400, 800, 1600, 3200, 3200, 3200]);
        loads.check_invariants();
    }

    #[test]
    fn who_is_only_wanted_is_asked_for_again_by_whoever_wants() {
        let mut loads = Loads::default();
        loads.want(&uid("a"));
        assert_eq!(loads.next(true), Some(uid("a")));
        loads.failed(&uid("a"), 0);
        loads.tick(1_000_000);
        assert_eq!(loads.next(true), None);
        loads.want(&uid("a"));
        loads.need(&uid("a"));
        assert_eq!(loads.next(true), Some(uid("a")));
        loads.failed(&uid("a"), 0);
        // A login does not wait for the rest to be over.
        loads.want(&uid("a"));
        assert_eq!(loads.next(true), Some(uid("a")));
        loads.check_invariants();
    }
}
