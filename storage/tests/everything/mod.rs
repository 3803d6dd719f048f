//! A data directory with a little of everything, at work, and what must be there.
//!
//! In: dice. Out: users, tokens, friends, groups and messages, in the engine and in a model of it.

use std::collections::{BTreeMap, BTreeSet};

use openim_record::{
    Class, InboxRun, Newest, PartitionId, Position, Scope, Seq, StoreBatch, TokenId, UserId,
};
use openim_storage::conformance::{self, Sample, Wait as _, encoded};
use openim_storage::embedded::{Embedded, Options};
use openim_storage::port::{
    Directory as _, GroupChange, GroupLimits, Groups as _, History as _, IssuedToken, Member,
    RelationChange, Relations as _, Role, Tokens as _, User,
};

pub(crate) const USERS: usize = 40;
pub(crate) const LIMITS: GroupLimits =
    GroupLimits { members_max: 1_000, joined_max: 100, requests_max: 10 };

pub(crate) fn options(base_every_bytes: u64) -> Options {
    Options { segment_bytes: 8 * 1024, reserve_bytes: 0, base_every_bytes, ..Options::default() }
}

pub(crate) fn uid(n: usize) -> UserId {
    UserId::new(&format!("user{n:02}"))
}

pub(crate) fn profile(n: usize) -> User {
    conformance::user(uid(n).as_str(), &format!("name of {n}"))
}

pub(crate) fn group(id: u64, members: usize) -> GroupChange {
    let text = String::new;
    let member = |n| Member {
        uid: uid(n),
        role: if n == 0 { Role::Owner } else { Role::Ordinary },
        nickname: text(),
        face_url: text(),
        join_ms: 1,
    };
    let group = conformance::group(&format!("g{id}"));
    GroupChange::Create { group, members: (0..members).map(member).collect() }
}

/// Numbers that a seed gives.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What must be there.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) users: BTreeSet<usize>,
    pub(crate) tokens: BTreeMap<usize, u8>,
    pub(crate) friends: BTreeSet<(usize, usize)>,
    pub(crate) groups: Vec<usize>,
    pub(crate) inboxes: BTreeMap<usize, Vec<Position>>,
    pub(crate) mins: BTreeMap<usize, u64>,
    pub(crate) now_ms: i64,
    /// Nothing is retained.
    pub(crate) keeps: bool,
}

impl Model {
    pub(crate) fn act(&mut self, storage: &mut Embedded, dice: &mut Dice) {
        let (a, b) = (dice.roll(USERS), dice.roll(USERS));
        match dice.roll(12) {
            0 => {
                storage.directory.register(&[profile(a)]).wait().expect("registered");
                self.users.insert(a);
            }
            1 | 2 => {
                let n = self.tokens.get(&a).map_or(1, |n| n + 1);
                let newest = Newest { id: TokenId([n; 16]), issued_at: n.into(), expires_at: None };
                let (user, class, scope) = (uid(a), Class::Mobile, Scope::Class);
                let token = IssuedToken { user, class, newest, scope };
                storage.tokens.issue(&[token]).wait().expect("issued");
                self.tokens.insert(a, n);
            }
            3 if a != b => {
                let change = match self.friends.contains(&(a, b)) {
                    true => RelationChange::Unfriend { owner: uid(a), friend: uid(b) },
                    false => RelationChange::Befriend { owner: uid(a), friend: uid(b), now_ms: 1 },
                };
                let unfriend = self.friends.remove(&(a, b));
                storage.relations.apply(&[change], 1_000).wait().expect("applied");
                if !unfriend {
                    self.friends.extend([(a, b), (b, a)]);
                }
            }
            4 => {
                let members = 1 + a % 9;
                let change = group(self.groups.len() as u64, members);
                storage.groups.apply(&[change], LIMITS).wait().expect("applied");
                self.groups.push(members);
            }
            5 if !self.keeps => self.retain(storage),
            _ => {
                self.now_ms += 1;
                let record =
                    encoded(Sample { persistent: a == 0, ..Sample::new(self.now_ms as u64) });
                let mut at = Vec::new();
                conformance::append(&mut storage.log, &[&record], self.now_ms, &mut at)
                    .expect("appended");
                for user in [a, b] {
                    let inbox = self.inboxes.entry(user).or_default();
                    if inbox.last() != at.last() {
                        inbox.extend(&at);
                    }
                }
            }
        }
    }

    /// Stores what the index does not have of the log.
    pub(crate) fn store(&self, storage: &Embedded) {
        let stored = storage.history.recover(PartitionId(0)).wait().expect("recovered");
        let runs = self.inboxes.iter().filter_map(|(user, inbox)| {
            let first = inbox.partition_point(|at| *at < stored.applied);
            let run = || InboxRun::new(uid(*user), Seq(first as u64 + 1), inbox[first..].to_vec());
            (first < inbox.len()).then(run)
        });
        let applied = vec![(PartitionId(0), storage.log.head())];
        let batch = StoreBatch { runs: runs.collect(), applied, ..StoreBatch::default() };
        storage.history.store(&batch).wait().expect("stored");
    }

    pub(crate) fn retain(&self, storage: &Embedded) {
        self.store(storage);
        while storage.history.retain(self.now_ms - 60, 50).wait().expect("retained").more {}
    }

    /// Notes the bounds that a client has seen.
    pub(crate) fn look(&mut self, storage: &Embedded) {
        for (user, bounds) in self.bounds(storage) {
            self.mins.insert(user, bounds.min.0);
        }
    }

    /// Every inbox begins where it was seen to.
    #[track_caller]
    pub(crate) fn mins_are(&self, storage: &Embedded, case: &str) {
        for (user, bounds) in self.bounds(storage) {
            let seen = self.mins.get(&user).copied().unwrap_or(1).max(1);
            assert_eq!(bounds.min.0, seen, "{case}: the min of {user}");
        }
    }

    pub(crate) fn bounds(&self, storage: &Embedded) -> Vec<(usize, openim_record::InboxBounds)> {
        let users: Vec<_> = self.inboxes.keys().copied().collect();
        let uids: Vec<_> = users.iter().map(|user| uid(*user)).collect();
        let bounds = storage.history.bounds(&uids).wait().expect("read");
        users.into_iter().zip(bounds).collect()
    }

    #[track_caller]
    pub(crate) fn check(&self, storage: &Embedded, case: &str) {
        let all: Vec<_> = (0..USERS).map(uid).collect();
        let users = storage.directory.users(&all).wait().expect("read");
        let there: BTreeSet<_> = (0..USERS).filter(|n| users[*n].is_some()).collect();
        assert_eq!(there, self.users, "{case}");
        let newest = storage.tokens.newest(&all).wait().expect("read");
        let tokens = newest.iter().enumerate();
        let tokens: BTreeMap<_, _> =
            tokens.filter_map(|(n, newest)| Some((n, newest.mobile?.id.0[0]))).collect();
        assert_eq!(tokens, self.tokens, "{case}");
        for a in 0..USERS {
            let friends = storage.relations.friends(&uid(a), None, 1_000).wait().expect("read");
            let expected = self.friends.range((a, 0)..(a, USERS)).count();
            assert_eq!(friends.len(), expected, "{case}");
        }
        for (id, members) in self.groups.iter().enumerate() {
            let id = openim_record::GroupId::new(&format!("g{id}"));
            let found = storage.groups.members(&id, None, 100).wait().expect("read");
            assert_eq!(found.len(), *members, "{case}");
        }
        for (user, bounds) in self.bounds(storage) {
            let inbox = &self.inboxes[&user];
            assert_eq!(bounds.newest.0, inbox.len() as u64, "{case}");
            if let Some(min) = self.mins.get(&user) {
                assert!(bounds.min.0 >= *min, "{case}: {} fell below {min}", bounds.min);
            }
            let mut next = bounds.min;
            while next <= bounds.newest {
                let user = uid(user);
                let range = storage.history.range(&user, next, bounds.newest, usize::MAX);
                for entry in range.wait().expect("read").entries {
                    assert_eq!(entry.seq, next, "{case}");
                    assert_eq!(entry.position, inbox[next.0 as usize - 1], "{case}");
                    assert!(entry.record.is_ok(), "{case}");
                    next = next.next();
                }
            }
        }
    }
}
