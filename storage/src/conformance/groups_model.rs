//! Random changes of groups against a plain model in memory, from a seed.

use std::collections::BTreeMap;

use openim_record::UserId;

use super::Wait as _;
use super::groups::{gid, member, row};
use super::ids::uid;
use super::joining::{forget, handle, request};
use super::random::Random;
use super::{Backend, Sites};
use crate::port::{
    Added, By, Group, GroupChange, GroupLimits, GroupOutcome, GroupRefused, GroupRequest, Groups,
    Member, Role,
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
        let changed = backend.groups.apply(&batch, limits).wait().expect("applied");
        let told: Vec<_> =
            changed.into_iter().map(|changed| (changed.outcome, changed.version)).collect();
        assert_eq!(told, expected, "seed and step {at:?}: {batch:?}");
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
    let by = By { uid: uid(from), trusted: random.below(3) == 0 };
    match random.below(22) {
        16 => GroupChange::Dissolve { group, by },
        17 => GroupChange::Clear { group, members_max: 1 + random.below(3) as usize },
        18 | 19 => GroupChange::Leave { group, user: uid(from) },
        20 | 21 => {
            let heir = (random.below(3) > 0).then(|| uid(one(random, USERS)));
            GroupChange::Depart { group, user: uid(from), heir }
        }
        0 | 1 => GroupChange::Create { group: row(id), members: some_members(random, 1) },
        2 => {
            let name = (random.below(2) == 0).then(|| format!("name {}", random.below(9)));
            let notification = (random.below(2) == 0).then(String::new);
            let (introduction, face_url, by) = (None, None, uid(from));
            GroupChange::Describe { group, by, name, introduction, notification, face_url }
        }
        3..5 => GroupChange::Add { group, by, members: some_members(random, 6) },
        5..7 => {
            let users = (0..random.below(3)).map(|_| uid(one(random, USERS))).collect();
            GroupChange::Remove { group, by, users }
        }
        7 | 8 => GroupChange::Transfer { group, by: uid(from), to: uid(one(random, USERS)) },
        9..13 => {
            let text = format!("{}", random.below(99));
            GroupChange::Request(request(id, from, to, &text))
        }
        _ => {
            let mut change = handle(id, from, to, random.below(2) == 0);
            if let GroupChange::Handle { by, .. } = &mut change {
                *by = uid(one(random, USERS));
            }
            change
        }
    }
}

#[derive(Clone, PartialEq)]
struct Kept {
    row: Group,
    members: BTreeMap<String, Member>,
    requests: Vec<GroupRequest>,
    /// Who owned it when it ended.
    dissolved: Option<Option<UserId>>,
    described: u64,
}

type Changed = Result<GroupOutcome, GroupRefused>;

impl Kept {
    fn role(&self, uid: &UserId) -> Option<Role> {
        self.members.get(uid.as_str()).map(|member| member.role)
    }

    fn leads(&self, uid: &UserId) -> bool {
        matches!(self.role(uid), Some(Role::Owner | Role::Administrator))
    }

    fn end(&mut self) {
        self.dissolved = Some(self.owner());
    }

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

    /// What is told of a change, and the group's version then.
    fn apply(&mut self, change: &GroupChange, limits: GroupLimits) -> (GroupOutcome, u64) {
        let id = change.group().to_string();
        let before = self.groups.get(&id).cloned();
        let outcome = match (&before, change) {
            (None, GroupChange::Create { group, members }) => self.create(group, members, limits),
            (Some(_), GroupChange::Create { .. }) => Err(GroupRefused::Exists),
            (None, _) => Err(GroupRefused::NoGroup),
            (Some(kept), change) => {
                let mut kept = kept.clone();
                let outcome = self.change(&mut kept, change, limits);
                if outcome.is_ok() {
                    self.groups.insert(id.clone(), kept);
                }
                outcome
            }
        };
        if let Some(kept) = self.groups.get_mut(&id)
            && before.as_ref() != Some(kept)
        {
            kept.row.version += 1;
        }
        let version = self.groups.get(&id).map_or(0, |kept| kept.row.version);
        (outcome.unwrap_or_else(GroupOutcome::Refused), version)
    }

    fn change(&mut self, kept: &mut Kept, change: &GroupChange, limits: GroupLimits) -> Changed {
        let ended = kept.dissolved.is_some();
        match change {
            GroupChange::Dissolve { by, .. } => {
                let owner = kept.dissolved.clone().unwrap_or(kept.owner());
                if !by.trusted && owner.as_ref() != Some(&by.uid) {
                    return Err(GroupRefused::NoPermission);
                }
                kept.dissolved = Some(owner);
                Ok(GroupOutcome::Done)
            }
            GroupChange::Clear { members_max, .. } => {
                let first: Vec<_> = kept.members.keys().take(*members_max).cloned().collect();
                let cleared = GroupOutcome::Cleared { more: first.len() == *members_max };
                first.iter().for_each(|uid| drop(kept.members.remove(uid)));
                ended.then_some(cleared).ok_or(GroupRefused::Unfit)
            }
            GroupChange::Depart { user, heir, .. } => depart(kept, user, heir.as_ref()),
            _ if ended => Err(GroupRefused::NoGroup),
            GroupChange::Describe { by, name, notification, .. } => {
                kept.role(by).ok_or(GroupRefused::NotMember)?;
                let leads = kept.leads(by).then_some(()).ok_or(GroupRefused::NoPermission);
                kept.row.name = name.clone().unwrap_or(kept.row.name.clone());
                let text = notification.clone().unwrap_or(kept.row.notification.clone());
                kept.row.notification = text;
                // To write what is there already is a change too.
                kept.described += u64::from(name.is_some() || notification.is_some());
                leads.map(|()| GroupOutcome::Done)
            }
            GroupChange::Add { by, members, .. } => self.add(kept, by, members, limits),
            GroupChange::Remove { by, users, .. } => remove(kept, by, users),
            GroupChange::Leave { user, .. } => {
                let role = kept.role(user).ok_or(GroupRefused::NotMember)?;
                let last = kept.members.len() == 1;
                if last {
                    kept.end();
                } else if role == Role::Owner {
                    return Err(GroupRefused::NoPermission);
                }
                kept.members.remove(user.as_str());
                Ok(GroupOutcome::Left { ended: last })
            }
            GroupChange::Transfer { by, to, .. } => {
                if kept.owner().as_ref() != Some(by) {
                    return Err(GroupRefused::NoPermission);
                }
                if by == to || kept.role(to).is_none() {
                    return Err(GroupRefused::Stranger);
                }
                for (uid, role) in [(by, Role::Ordinary), (to, Role::Owner)] {
                    kept.members.get_mut(uid.as_str()).expect("there").role = role;
                }
                Ok(GroupOutcome::Done)
            }
            GroupChange::Request(request) if kept.role(&request.from).is_some() => {
                Err(GroupRefused::Member)
            }
            GroupChange::Request(request) => ask(kept, &mut self.last_id, request, limits),
            GroupChange::Handle { by, .. } if !kept.leads(by) => Err(GroupRefused::NoPermission),
            GroupChange::Handle { .. } => self.handle(kept, change, limits),
            GroupChange::Create { .. } => unreachable!("the group is there"),
        }
    }

    fn forget(&mut self, gone: &[&str]) {
        for kept in self.groups.values_mut() {
            kept.requests.retain(|request| {
                !gone.contains(&request.from.as_str())
                    && (request.to == "0" || !gone.contains(&&*request.to))
            });
        }
    }

    fn create(&mut self, row: &Group, all: &[Member], limits: GroupLimits) -> Changed {
        let mut members = BTreeMap::new();
        for member in all {
            members.entry(member.uid.to_string()).or_insert_with(|| member.clone());
        }
        if members.values().filter(|member| member.role == Role::Owner).count() != 1 {
            return Err(GroupRefused::Unfit);
        }
        if members.len() > limits.members_max
            || members.keys().any(|uid| self.joined(uid) >= limits.joined_max)
        {
            return Err(GroupRefused::Full);
        }
        let (requests, dissolved, described) = (Vec::new(), None, 0);
        let kept = Kept { row: row.clone(), members, requests, dissolved, described };
        self.groups.insert(row.id.to_string(), kept);
        Ok(GroupOutcome::Done)
    }

    fn add(&self, kept: &mut Kept, by: &By, members: &[Member], limits: GroupLimits) -> Changed {
        if !by.trusted && kept.role(&by.uid).is_none() {
            return Err(GroupRefused::NoPermission);
        }
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
                return Err(GroupRefused::Unfit);
            } else {
                kept.members.insert(uid, member.clone());
                Added::Joined
            });
        }
        Ok(GroupOutcome::Added(added))
    }

    fn handle(&self, kept: &mut Kept, change: &GroupChange, limits: GroupLimits) -> Changed {
        let GroupChange::Handle { from, to, agree, message, by, now_ms, .. } = change else {
            unreachable!("only called with one")
        };
        let open = |request: &&mut GroupRequest| {
            request.from == *from && request.to == *to && request.flag == 0
        };
        let Some(request) = kept.requests.iter_mut().find(open) else {
            return Err(GroupRefused::NoRequest);
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
            return Ok(GroupOutcome::Handled { joined: None });
        }
        if kept.members.len() >= limits.members_max || self.joined(&id) >= limits.joined_max {
            return Err(GroupRefused::Full);
        }
        kept.members.insert(id, member.clone());
        Ok(GroupOutcome::Handled { joined: Some(member) })
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
            assert_eq!(groups.groups(&[gid(id)]).wait().expect("read"), [expected], "{at:?}");
            let after = one(random, USERS);
            let members = kept.iter().flat_map(|kept| kept.members.values());
            let rows: Vec<_> =
                members.filter(|row| row.uid.as_str() > after).take(max).cloned().collect();
            let found = groups.members(&gid(id), Some(&uid(after)), max).wait().expect("read");
            assert_eq!(found, rows, "{at:?}");
            let named = groups.members_named(&gid(id), &USERS.map(uid)).wait().expect("read");
            let rows = USERS.map(|user| kept.and_then(|kept| kept.members.get(user)).cloned());
            assert_eq!(named, rows, "{at:?}");
            let after = random.below(5);
            let (from, to) = (one(random, USERS), if random.below(2) == 0 { "0" } else { "b" });
            let asked = |request: &&GroupRequest| request.from.as_str() == from && request.to == to;
            let request = kept.and_then(|kept| kept.requests.iter().find(asked));
            let found = groups.request(&gid(id), &uid(from), to).wait().expect("read");
            assert_eq!(found.as_ref(), request, "{at:?}");
            let requests = kept.iter().flat_map(|kept| &kept.requests);
            let rows: Vec<_> =
                requests.filter(|request| request.id > after).take(max).cloned().collect();
            assert_eq!(groups.requests(&gid(id), after, max).wait().expect("read"), rows, "{at:?}");
        }
        for user in USERS {
            let after = one(random, GROUPS);
            let role = |(id, kept): (&String, &Kept)| Some((gid(id), kept.members.get(user)?.role));
            let rows: Vec<_> = self.groups.iter().filter_map(role).collect();
            assert_eq!(groups.joined(&uid(user), None, 9).wait().expect("read"), rows, "{at:?}");
            let rows: Vec<_> =
                rows.into_iter().filter(|(id, _)| id.as_str() > after).take(max).collect();
            let found = groups.joined(&uid(user), Some(&gid(after)), max).wait().expect("read");
            assert_eq!(found, rows, "{at:?}");
        }
    }
}

fn depart(kept: &mut Kept, user: &UserId, heir: Option<&UserId>) -> Changed {
    let Some(role) = kept.role(user) else { return Ok(GroupOutcome::Done) };
    if kept.dissolved.is_some() {
        kept.members.remove(user.as_str());
        return Ok(GroupOutcome::Done);
    }
    let last = kept.members.len() == 1;
    if last {
        kept.end();
    } else if role == Role::Owner {
        let heir = heir.filter(|heir| *heir != user).ok_or(GroupRefused::Unfit)?;
        kept.members.get_mut(heir.as_str()).ok_or(GroupRefused::Unfit)?.role = Role::Owner;
    }
    kept.members.remove(user.as_str());
    Ok(GroupOutcome::Left { ended: last })
}

fn remove(kept: &mut Kept, by: &By, users: &[UserId]) -> Changed {
    if !by.trusted && !kept.leads(&by.uid) {
        return Err(GroupRefused::NoPermission);
    }
    let before = kept.clone();
    let gone = users.iter().map(|uid| {
        let may = match before.role(uid) {
            Some(Role::Owner) => false,
            Some(Role::Administrator) => by.trusted || before.owner().as_ref() == Some(&by.uid),
            Some(Role::Ordinary) | None => true,
        };
        may && *uid != by.uid
    });
    let gone: Vec<bool> = gone.collect();
    for (uid, gone) in users.iter().zip(&gone) {
        if *gone {
            kept.members.remove(uid.as_str());
        }
    }
    Ok(GroupOutcome::Removed(gone))
}

fn ask(kept: &mut Kept, last_id: &mut u64, request: &GroupRequest, limits: GroupLimits) -> Changed {
    let same = |other: &GroupRequest| other.from == request.from && other.to == request.to;
    let requests = &mut kept.requests;
    let gone = match requests.iter().position(same) {
        None if requests.len() >= limits.requests_max => {
            // They are in the order of their ids.
            let Some(handled) = requests.iter().position(|request| request.flag != 0) else {
                return Err(GroupRefused::Full);
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
    Ok(GroupOutcome::Done)
}
