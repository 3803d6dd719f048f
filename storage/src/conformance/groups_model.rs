//! Random changes of groups against a plain model in memory, from a seed.

use std::collections::BTreeMap;

use openim_record::UserId;

use super::groups::{gid, member, row};
use super::ids::uid;
use super::joining::{forget, handle, request};
use super::random::Random;
use super::{Backend, Sites};
use crate::port::{
    Added, Group, GroupChange, GroupLimits, GroupOutcome, GroupRequest, Groups, Member, Role,
};

/// Runs `steps` random batches chosen by `seed`, and restarts between them, and compares every
/// answer and every list with a model.
///
/// # Panics
/// Where an answer differs; the message names the seed and the step.
pub fn groups_model(sites: Sites<'_>, seed: u64, steps: u32) {
    let mut site = sites();
    let mut random = Random(seed);
    let mut model = Model::default();
    let mut backend = site.open();
    for step in 0..steps {
        let at = (seed, step);
        let mut bound = |from| (from + random.below(4)) as usize;
        let limits =
            GroupLimits { members_max: bound(3), joined_max: bound(2), requests_max: bound(1) };
        let batch: Vec<_> = (0..random.below(8)).map(|_| change(&mut random)).collect();
        let expected: Vec<_> = batch.iter().map(|change| model.apply(change, limits)).collect();
        let outcomes = backend.groups.apply(&batch, limits).expect("applied");
        assert_eq!(outcomes, expected, "seed and step {at:?}: {batch:?}");
        match random.below(24) {
            20 => {
                let gone = [one(&mut random, USERS), one(&mut random, USERS)];
                model.forget(&gone);
                forget(&*backend.groups, &gone, 1 + random.below(5) as usize);
            }
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

const USERS: [&str; 6] = ["a", "a\0", "ab", "b", "c", "\u{df}"];
const GROUPS: [&str; 5] = ["g", "g\0", "gh", "h", "\u{1f600}"];

fn one<const N: usize>(random: &mut Random, of: [&'static str; N]) -> &'static str {
    of[random.below(N as u64) as usize]
}

fn some_members(random: &mut Random, owner_in: u64) -> Vec<Member> {
    let mut member_of = |owner: bool| {
        let role = match random.below(4) {
            _ if owner => Role::Owner,
            0 => Role::Administrator,
            _ => Role::Ordinary,
        };
        member(one(random, USERS), role)
    };
    let mut members: Vec<_> = (0..3).map(|_| member_of(false)).collect();
    members.truncate(random.below(4) as usize);
    if random.below(owner_in) == 0 {
        members.push(member(one(random, USERS), Role::Owner));
    }
    members
}

fn change(random: &mut Random) -> GroupChange {
    let (id, from) = (one(random, GROUPS), one(random, USERS));
    let group = gid(id);
    let to = match random.below(2) {
        0 => "0",
        _ => one(random, USERS),
    };
    match random.below(17) {
        16 => GroupChange::Dissolve { group, by: (random.below(3) > 0).then(|| uid(from)) },
        0 | 1 => GroupChange::Create { group: row(id), members: some_members(random, 1) },
        2 => {
            let name = (random.below(2) == 0).then(|| format!("name {}", random.below(9)));
            let notification = (random.below(2) == 0).then(String::new);
            let (introduction, face_url) = (None, None);
            GroupChange::Describe { group, name, introduction, notification, face_url }
        }
        3..5 => GroupChange::Add { group, members: some_members(random, 6) },
        5..7 => {
            let users = (0..random.below(3)).map(|_| uid(one(random, USERS))).collect();
            GroupChange::Remove { group, users }
        }
        7 | 8 => GroupChange::Transfer { group, from: uid(from), to: uid(one(random, USERS)) },
        9..13 => {
            let text = format!("{}", random.below(99));
            GroupChange::Request(request(id, from, to, &text))
        }
        _ => handle(id, from, to, random.below(2) == 0),
    }
}

#[derive(Clone)]
struct Kept {
    row: Group,
    members: BTreeMap<String, Member>,
    requests: Vec<GroupRequest>,
    /// Who owned it when it ended.
    dissolved: Option<Option<UserId>>,
}

impl Kept {
    fn owner(&self) -> Option<UserId> {
        let owner = self.members.values().find(|member| member.role == Role::Owner);
        owner.map(|member| member.uid.clone())
    }
}

#[derive(Default)]
struct Model {
    groups: BTreeMap<String, Kept>,
    last_id: u64,
}

impl Model {
    fn joined(&self, user: &str) -> usize {
        self.groups.values().filter(|kept| kept.members.contains_key(user)).count()
    }

    fn apply(&mut self, change: &GroupChange, limits: GroupLimits) -> GroupOutcome {
        let id = match change {
            GroupChange::Create { group, members } => return self.create(group, members, limits),
            GroupChange::Request(request) => request.group.to_string(),
            GroupChange::Describe { group, .. }
            | GroupChange::Add { group, .. }
            | GroupChange::Remove { group, .. }
            | GroupChange::Transfer { group, .. }
            | GroupChange::Dissolve { group, .. }
            | GroupChange::Handle { group, .. } => group.to_string(),
        };
        let Some(before) = self.groups.get(&id) else { return GroupOutcome::NoGroup };
        let mut kept = before.clone();
        let ends = matches!(change, GroupChange::Dissolve { .. } | GroupChange::Remove { .. });
        if kept.dissolved.is_some() && !ends {
            return GroupOutcome::NoGroup;
        }
        let outcome = match change {
            GroupChange::Create { .. } => GroupOutcome::Exists,
            GroupChange::Describe { name, notification, .. } => {
                kept.row.name = name.clone().unwrap_or(kept.row.name);
                kept.row.notification = notification.clone().unwrap_or(kept.row.notification);
                GroupOutcome::Done
            }
            GroupChange::Add { members, .. } => self.add(&mut kept, members, limits),
            GroupChange::Remove { users, .. } => {
                kept.members.retain(|uid, _| users.iter().all(|user| user.as_str() != uid));
                GroupOutcome::Done
            }
            GroupChange::Transfer { from, to, .. } => {
                let to_is_in = kept.members.contains_key(to.as_str());
                if from == to || !to_is_in || kept.owner().as_ref() != Some(from) {
                    GroupOutcome::Unfit
                } else {
                    for (uid, role) in [(from, Role::Ordinary), (to, Role::Owner)] {
                        kept.members.get_mut(uid.as_str()).expect("there").role = role;
                    }
                    GroupOutcome::Done
                }
            }
            GroupChange::Dissolve { by, .. } => {
                let owner = kept.dissolved.clone().unwrap_or(kept.owner());
                if by.is_some() && *by != owner {
                    GroupOutcome::Unfit
                } else {
                    kept.dissolved = Some(owner);
                    GroupOutcome::Done
                }
            }
            GroupChange::Request(request) => ask(&mut kept, &mut self.last_id, request, limits),
            GroupChange::Handle { .. } => self.handle(&mut kept, change, limits),
        };
        if !matches!(outcome, GroupOutcome::Unfit | GroupOutcome::Full) {
            self.groups.insert(id, kept);
        }
        outcome
    }

    fn forget(&mut self, gone: &[&str]) {
        for kept in self.groups.values_mut() {
            kept.requests.retain(|request| {
                !gone.contains(&request.from.as_str())
                    && (request.to == "0" || !gone.contains(&&*request.to))
            });
        }
    }

    fn create(&mut self, row: &Group, all: &[Member], limits: GroupLimits) -> GroupOutcome {
        let mut members = BTreeMap::new();
        for member in all {
            members.entry(member.uid.to_string()).or_insert_with(|| member.clone());
        }
        if self.groups.contains_key(row.id.as_str()) {
            return GroupOutcome::Exists;
        }
        if members.values().filter(|member| member.role == Role::Owner).count() != 1 {
            return GroupOutcome::Unfit;
        }
        if members.len() > limits.members_max
            || members.keys().any(|uid| self.joined(uid) >= limits.joined_max)
        {
            return GroupOutcome::Full;
        }
        let kept = Kept { row: row.clone(), members, requests: Vec::new(), dissolved: None };
        self.groups.insert(row.id.to_string(), kept);
        GroupOutcome::Done
    }

    fn add(&self, kept: &mut Kept, members: &[Member], limits: GroupLimits) -> GroupOutcome {
        let mut added = Vec::new();
        for member in members {
            let uid = member.uid.to_string();
            added.push(if kept.members.contains_key(&uid) {
                Added::Member
            } else if kept.members.len() >= limits.members_max
                || self.joined(&uid) >= limits.joined_max
            {
                Added::Full
            } else if member.role == Role::Owner && kept.owner().is_some() {
                return GroupOutcome::Unfit;
            } else {
                kept.members.insert(uid, member.clone());
                Added::Joined
            });
        }
        GroupOutcome::Added(added)
    }

    fn handle(&self, kept: &mut Kept, change: &GroupChange, limits: GroupLimits) -> GroupOutcome {
        let GroupChange::Handle { from, to, agree, message, by, now_ms, .. } = change else {
            unreachable!("only called with one")
        };
        let open = |request: &&mut GroupRequest| {
            request.from == *from && request.to == *to && request.flag == 0
        };
        let Some(request) = kept.requests.iter_mut().find(open) else {
            return GroupOutcome::NoRequest;
        };
        request.flag = if *agree { 1 } else { -1 };
        request.handled_message = message.clone();
        request.handled_by = by.to_string();
        let request = request.clone();
        let invited = request.to != "0";
        let member = Member {
            uid: if invited { uid(&request.to) } else { request.from },
            role: Role::Ordinary,
            nickname: if invited { request.to_nickname } else { request.from_nickname },
            face_url: if invited { request.to_face_url } else { request.from_face_url },
            join_ms: *now_ms,
        };
        let id = member.uid.to_string();
        if !agree || kept.members.contains_key(&id) {
            return GroupOutcome::Handled { joined: None };
        }
        if kept.members.len() >= limits.members_max || self.joined(&id) >= limits.joined_max {
            return GroupOutcome::Full;
        }
        kept.members.insert(id, member.clone());
        GroupOutcome::Handled { joined: Some(member) }
    }

    fn check(&self, backend: &Backend, random: &mut Random, at: (u64, u32)) {
        let groups: &dyn Groups = &*backend.groups;
        let max = random.below(7) as usize;
        for id in GROUPS {
            let kept = self.groups.get(id);
            let known = kept.filter(|kept| kept.dissolved.is_none());
            let expected = known.map(|kept| Group {
                owner: kept.owner(),
                members: kept.members.len() as u32,
                ..kept.row.clone()
            });
            assert_eq!(groups.groups(&[gid(id)]).expect("read"), [expected], "{at:?}");
            let after = one(random, USERS);
            let members = kept.iter().flat_map(|kept| kept.members.values());
            let rows: Vec<_> =
                members.filter(|row| row.uid.as_str() > after).take(max).cloned().collect();
            let found = groups.members(&gid(id), Some(&uid(after)), max).expect("read");
            assert_eq!(found, rows, "{at:?}");
            let named = groups.members_named(&gid(id), &USERS.map(uid)).expect("read");
            let rows = USERS.map(|user| kept.and_then(|kept| kept.members.get(user)).cloned());
            assert_eq!(named, rows, "{at:?}");
            let after = random.below(5);
            let (from, to) = (one(random, USERS), if random.below(2) == 0 { "0" } else { "b" });
            let asked = |request: &&GroupRequest| request.from.as_str() == from && request.to == to;
            let request = kept.and_then(|kept| kept.requests.iter().find(asked));
            let found = groups.request(&gid(id), &uid(from), to).expect("read");
            assert_eq!(found.as_ref(), request, "{at:?}");
            let requests = kept.iter().flat_map(|kept| &kept.requests);
            let rows: Vec<_> =
                requests.filter(|request| request.id > after).take(max).cloned().collect();
            assert_eq!(groups.requests(&gid(id), after, max).expect("read"), rows, "{at:?}");
        }
        for user in USERS {
            let after = one(random, GROUPS);
            let role = |(id, kept): (&String, &Kept)| Some((gid(id), kept.members.get(user)?.role));
            let rows: Vec<_> = self.groups.iter().filter_map(role).collect();
            assert_eq!(groups.joined(&uid(user), None, 9).expect("read"), rows, "{at:?}");
            let rows: Vec<_> =
                rows.into_iter().filter(|(id, _)| id.as_str() > after).take(max).collect();
            let found = groups.joined(&uid(user), Some(&gid(after)), max).expect("read");
            assert_eq!(found, rows, "{at:?}");
        }
    }
}

fn ask(
    kept: &mut Kept,
    last_id: &mut u64,
    request: &GroupRequest,
    limits: GroupLimits,
) -> GroupOutcome {
    let same = |other: &GroupRequest| other.from == request.from && other.to == request.to;
    let requests = &mut kept.requests;
    let gone = match requests.iter().position(same) {
        None if requests.len() >= limits.requests_max => {
            // They are in the order of their ids.
            let Some(handled) = requests.iter().position(|request| request.flag != 0) else {
                return GroupOutcome::Full;
            };
            Some(handled)
        }
        same => same,
    };
    if let Some(gone) = gone {
        requests.remove(gone);
    }
    *last_id += 1;
    kept.requests.push(GroupRequest { id: *last_id, ..request.clone() });
    GroupOutcome::Done
}
