//! Random changes of relations against a plain model in memory, from a seed.

use std::collections::{BTreeMap, BTreeSet};

use super::Wait as _;
use super::ids::uid;
use super::random::Random;
use super::relations::{answer, befriend, block, comment, forget, request, unblock, unfriend};
use super::{Backend, Sites};
use crate::port::{Friend, FriendRequest, Relation, RelationChange, RelationOutcome, Relations};

/// Runs `steps` random batches chosen by `seed`, and restarts between them, and compares every
/// answer and every list with a model.
///
/// # Panics
/// Where an answer differs; the message names the seed and the step.
pub fn relations_model(sites: Sites<'_>, seed: u64, steps: u32) {
    let mut site = sites();
    let mut random = Random(seed);
    let mut model = Model::default();
    let mut backend = site.open();
    for step in 0..steps {
        let at = (seed, step);
        let rows_max = 1 + random.below(USERS.len() as u64) as usize;
        let batch: Vec<_> = (0..random.below(8)).map(|_| change(&mut random)).collect();
        let expected: Vec<_> = batch.iter().map(|change| model.apply(change, rows_max)).collect();
        let outcomes = backend.relations.apply(&batch, rows_max).wait().expect("applied");
        assert_eq!(outcomes, expected, "seed and step {at:?}: {batch:?}");
        if random.below(16) == 0 {
            let gone = [user(&mut random), user(&mut random)];
            model.forget(&gone);
            forget(&*backend.relations, &gone, 1 + random.below(9) as usize);
        }
        match random.below(20) {
            0 => {
                drop(backend);
                backend = site.open();
                model.check(&backend, &mut random, at);
            }
            1..6 => model.check(&backend, &mut random, at),
            _ => {}
        }
    }
    model.check(&backend, &mut random, (seed, steps));
}

const USERS: [&str; 5] = ["a", "a\0", "ab", "b", "\u{df}"];

fn user(random: &mut Random) -> &'static str {
    USERS[random.below(USERS.len() as u64) as usize]
}

fn change(random: &mut Random) -> RelationChange {
    let (a, b) = (user(random), user(random));
    // Clocks that stand still, or go back.
    let now_ms = random.below(50) as i64;
    match random.below(12) {
        0..3 => request(a, b, &format!("message {now_ms}"), now_ms),
        3..5 => answer(a, b, 1, now_ms),
        5 => answer(a, b, random.below(3) as i32 - 1, now_ms),
        6 => befriend(a, b, now_ms),
        7 | 8 => unfriend(a, b),
        9 => comment(a, b, &format!("comment {now_ms}")),
        10 => block(a, b, now_ms),
        _ => unblock(a, b),
    }
}

type Pair = (String, String);

#[derive(Default)]
struct Model {
    /// By owner and friend.
    friends: BTreeMap<Pair, Friend>,
    blocked: BTreeSet<Pair>,
    /// By applicant and who was asked; and whether it was ever agreed to.
    requests: BTreeMap<Pair, (FriendRequest, bool)>,
}

impl Model {
    fn apply(&mut self, change: &RelationChange, rows_max: usize) -> RelationOutcome {
        match change.clone() {
            RelationChange::Request { from, to, message, now_ms } => {
                let pair = (from.to_string(), to.to_string());
                let before = self.requests.get(&pair).map(|(request, _)| request.create_ms);
                let create_ms = before.map_or(now_ms, |before| now_ms.max(before + 1));
                let received = self.requests.keys().filter(|other| other.1 == pair.1).count();
                let sent = self.requests.keys().filter(|other| other.0 == pair.0).count();
                if before.is_none() && received.max(sent) >= rows_max {
                    return RelationOutcome::Full;
                }
                let request = FriendRequest { from, to, flag: 0, message, create_ms };
                self.requests.insert(pair, (request, false));
                RelationOutcome::Requested { create_ms }
            }
            RelationChange::Answer { from, to, flag, now_ms } => {
                let pair = (from.to_string(), to.to_string());
                let Some((mut request, mut agreed)) = self.requests.get(&pair).cloned() else {
                    return RelationOutcome::NoRequest;
                };
                if flag == 1 {
                    let back = (pair.1.clone(), pair.0.clone());
                    let friends = [&pair, &back].iter().all(|pair| self.friends.contains_key(pair));
                    if agreed && !friends {
                        return RelationOutcome::NoRequest;
                    }
                    if self.befriend(&pair, now_ms, rows_max).is_none() {
                        return RelationOutcome::Full;
                    }
                    agreed = true;
                }
                request.flag = flag;
                let create_ms = request.create_ms;
                self.requests.insert(pair, (request, agreed));
                RelationOutcome::Requested { create_ms }
            }
            RelationChange::Befriend { owner, friend, now_ms } => {
                let pair = (owner.to_string(), friend.to_string());
                match self.befriend(&pair, now_ms, rows_max) {
                    Some(new) => RelationOutcome::Befriended { new },
                    None => RelationOutcome::Full,
                }
            }
            RelationChange::Unfriend { owner, friend } => {
                self.friends.remove(&(owner.to_string(), friend.to_string()));
                RelationOutcome::Done
            }
            RelationChange::Comment { owner, friend, comment } => {
                let row = self.friends.get_mut(&(owner.to_string(), friend.to_string()));
                if let Some(row) = row {
                    row.comment = comment;
                }
                RelationOutcome::Done
            }
            RelationChange::Block { owner, peer, .. } => {
                let pair = (owner.to_string(), peer.to_string());
                let length = self.blocked.iter().filter(|other| other.0 == pair.0).count();
                if !self.blocked.contains(&pair) && length >= rows_max {
                    return RelationOutcome::Full;
                }
                self.blocked.insert(pair);
                RelationOutcome::Done
            }
            RelationChange::Unblock { owner, peer } => {
                self.blocked.remove(&(owner.to_string(), peer.to_string()));
                RelationOutcome::Done
            }
        }
    }

    /// Whether a row is new; `None` when one has no room.
    fn forget(&mut self, gone: &[&str]) {
        let stays = |pair: &Pair| gone.iter().all(|uid| pair.0 != *uid && pair.1 != *uid);
        self.friends.retain(|pair, _| stays(pair));
        self.blocked.retain(stays);
        self.requests.retain(|pair, _| stays(pair));
    }

    fn befriend(&mut self, (a, b): &Pair, create_ms: i64, rows_max: usize) -> Option<bool> {
        let ways = BTreeSet::from([(a.clone(), b.clone()), (b.clone(), a.clone())]);
        let missing: Vec<_> =
            ways.into_iter().filter(|way| !self.friends.contains_key(way)).collect();
        let length = |owner: &str| self.friends.keys().filter(|way| way.0 == owner).count();
        if missing.iter().any(|way| length(&way.0) >= rows_max) {
            return None;
        }
        let new = !missing.is_empty();
        for way in missing {
            let row = Friend { uid: uid(&way.1), comment: String::new(), create_ms };
            self.friends.insert(way, row);
        }
        Some(new)
    }

    fn check(&self, backend: &Backend, random: &mut Random, at: (u64, u32)) {
        let pair = (user(random).to_owned(), user(random).to_owned());
        let found = backend.relations.request(&uid(&pair.0), &uid(&pair.1)).wait().expect("read");
        assert_eq!(found.as_ref(), self.requests.get(&pair).map(|(request, _)| request), "{at:?}");
        let relations: &dyn Relations = &*backend.relations;
        let rows_max = random.below(7) as usize;
        for owner in USERS {
            let behind = user(random);
            let after = (random.below(2) == 0).then(|| uid(behind));
            let (after, id) = (after.as_ref(), uid(owner));
            // The rows of an owner that a page of `rows_max` behind `after` has.
            let shown = |owned: &String, peer: &String| {
                owned == owner && after.is_none_or(|after| peer.as_str() > after.as_str())
            };
            let rows: Vec<_> = (self.friends.iter())
                .filter(|((owned, peer), _)| shown(owned, peer))
                .map(|(_, row)| row.clone())
                .take(rows_max)
                .collect();
            assert_eq!(
                relations.friends(&id, after, rows_max).wait().expect("read"),
                rows,
                "{at:?}"
            );
            let rows: Vec<_> = (self.blocked.iter())
                .filter(|(owned, peer)| shown(owned, peer))
                .map(|(_, peer)| uid(peer))
                .take(rows_max)
                .collect();
            assert_eq!(
                relations.blacklist(&id, after, rows_max).wait().expect("read"),
                rows,
                "{at:?}"
            );
            let requests = || self.requests.iter().map(|(pair, (request, _))| (pair, request));
            let rows: Vec<_> = requests()
                .filter(|((from, to), _)| shown(to, from))
                .map(|(_, request)| request.clone())
                .take(rows_max)
                .collect();
            let received = relations.requests_received(&id, after, rows_max).wait().expect("read");
            assert_eq!(received, rows, "{at:?}");
            let rows: Vec<_> = requests()
                .filter(|((from, to), _)| shown(from, to))
                .map(|(_, request)| request.clone())
                .take(rows_max)
                .collect();
            let sent = relations.requests_sent(&id, after, rows_max).wait().expect("read");
            assert_eq!(sent, rows, "{at:?}");
            let held = relations.relations(&id, &USERS.map(uid)).wait().expect("read");
            let expected = USERS.map(|peer| {
                let pair = (owner.to_owned(), peer.to_owned());
                let friend = self.friends.get(&pair).cloned();
                Relation { friend, blocked: self.blocked.contains(&pair) }
            });
            assert_eq!(held, expected, "{at:?}");
        }
    }
}
