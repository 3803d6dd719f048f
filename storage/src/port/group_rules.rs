//! The rules of groups: who may change what, and what a change does to members, owner and requests. Pure.
//!
//! In: a change, and what a store has found of the group under its lock ([`Found`], for whom [`Concerned`]
//! says). Out: what is told, and the steps that make it so ([`Decision`]). Every store of groups decides by
//! this, so that no rule is written twice.

use std::collections::{HashMap, HashSet};

use openim_record::{MemberChange, UserId};

use super::groups::{
    Added, By, Group, GroupChange, GroupLimits, GroupOutcome, GroupRefused, GroupRequest, Member,
    Role,
};

/// [`GroupRequest::to`] of who asks for themselves.
pub const NOBODY: &str = "0";

/// Of whom a store has to read rows before a change is decided.
#[derive(Debug, Default)]
pub struct Concerned {
    /// Their roles in the group.
    pub roles: Vec<UserId>,
    /// How many groups they are in.
    pub joined: Vec<UserId>,
}

/// What a store has found, all of it under the same lock.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The group, also one that has ended.
    pub group: Option<Standing>,
    /// Those of [`Concerned::roles`] who are members.
    pub roles: HashMap<UserId, Role>,
    /// Of each of [`Concerned::joined`] in how many groups they are.
    pub joined: HashMap<UserId, u64>,
    /// [`GroupChange::Request`], [`GroupChange::Handle`]: the one with the same applicant and invited one.
    pub request: Option<GroupRequest>,
    /// [`GroupChange::Request`]: whether there is a handled one, which can make room.
    pub handled: bool,
    /// [`GroupChange::Clear`]: the first members.
    pub first: Vec<UserId>,
}

/// How a group stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its owner; of one that has ended, who was to the end.
    pub owner: Option<UserId>,
    /// How many members.
    pub members: u32,
    /// How many requests.
    pub requests: u32,
    /// It has ended.
    pub ended: bool,
}

/// What is to be done, and told when it is done. Without effects nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is told.
    pub outcome: GroupOutcome,
    /// What is done, in this order.
    pub effects: Vec<Effect>,
}

/// One step of what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The group begins.
    Begin(Group),
    /// Columns are written: name, introduction, notification, face URL; those that are given.
    Describe([Option<String>; 4]),
    /// A member is there.
    Enter(Member),
    /// Something else about members.
    Members(MemberChange),
    /// A request is there in place of the same one, or of the oldest handled one where there is no room.
    Ask(GroupRequest),
    /// A request is handled.
    Answer(GroupRequest),
}

impl Effect {
    /// What it does to who is in the group.
    #[must_use]
    pub fn member_change(&self) -> Option<MemberChange> {
        match self {
            Self::Enter(member) => Some(MemberChange::Joined(member.uid.clone(), member.role)),
            Self::Members(change) => Some(change.clone()),
            Self::Begin(_) | Self::Describe(_) | Self::Ask(_) | Self::Answer(_) => None,
        }
    }
}

impl Concerned {
    /// By a change.
    #[must_use]
    pub fn by(change: &GroupChange) -> Concerned {
        let ids = |members: &[Member]| members.iter().map(|member| member.uid.clone()).collect();
        let roles = |uids: &[&UserId]| uids.iter().map(|uid| (*uid).clone()).collect();
        match change {
            GroupChange::Create { members, .. } => {
                Concerned { roles: Vec::new(), joined: ids(members) }
            }
            GroupChange::Add { by, members, .. } => {
                let joined: Vec<UserId> = ids(members);
                let roles = std::iter::once(by.uid.clone()).chain(joined.iter().cloned()).collect();
                Concerned { roles, joined }
            }
            GroupChange::Remove { by, users, .. } => {
                let roles = std::iter::once(&by.uid).chain(users).cloned().collect();
                Concerned { roles, joined: Vec::new() }
            }
            GroupChange::Handle { by, from, to, agree, .. } => {
                let joins = who_joins(from, to);
                let joined = if *agree { vec![joins.clone()] } else { Vec::new() };
                Concerned { roles: vec![by.clone(), joins], joined }
            }
            GroupChange::Depart { user, heir, .. } => {
                let roles = std::iter::once(user).chain(heir).cloned().collect();
                Concerned { roles, joined: Vec::new() }
            }
            GroupChange::Describe { by: uid, .. }
            | GroupChange::Leave { user: uid, .. }
            | GroupChange::Request(GroupRequest { from: uid, .. }) => {
                Concerned { roles: roles(&[uid]), joined: Vec::new() }
            }
            GroupChange::Transfer { by, to, .. } => {
                Concerned { roles: roles(&[by, to]), joined: Vec::new() }
            }
            GroupChange::Dissolve { .. } | GroupChange::Clear { .. } => Concerned::default(),
        }
    }
}

/// Decides a change: who may make it, and what it does.
#[must_use]
pub fn decide(change: &GroupChange, found: &Found, limits: GroupLimits) -> Decision {
    let decided = match (&found.group, change) {
        (None, GroupChange::Create { group, members }) => create(group, members, found, limits),
        (Some(_), GroupChange::Create { .. }) => Err(GroupRefused::Exists),
        (None, _) => Err(GroupRefused::NoGroup),
        (Some(group), GroupChange::Dissolve { by, .. }) => dissolve(group, by),
        (Some(group), GroupChange::Depart { user, heir, .. }) => {
            depart(Rules { group, found, limits }, user, heir.as_ref())
        }
        (Some(group), GroupChange::Clear { members_max, .. }) if group.ended => {
            let gone = found.first.iter().map(|uid| member(MemberChange::Cleared(uid.clone())));
            Ok((GroupOutcome::Cleared { more: found.first.len() >= *members_max }, gone.collect()))
        }
        (Some(_), GroupChange::Clear { .. }) => Err(GroupRefused::Unfit),
        (Some(group), _) if group.ended => Err(GroupRefused::NoGroup),
        (Some(group), change) => Rules { group, found, limits }.decide(change),
    };
    match decided {
        Ok((outcome, effects)) => Decision { outcome, effects },
        Err(why) => Decision { outcome: GroupOutcome::Refused(why), effects: Vec::new() },
    }
}

type Decided = Result<(GroupOutcome, Vec<Effect>), GroupRefused>;

fn create(group: &Group, members: &[Member], found: &Found, limits: GroupLimits) -> Decided {
    let mut here = HashSet::with_capacity(members.len());
    let members: Vec<_> = members.iter().filter(|member| here.insert(&member.uid)).collect();
    if members.iter().filter(|member| member.role == Role::Owner).count() != 1 {
        return Err(GroupRefused::Unfit);
    }
    if members.len() > limits.members_max
        || !members.iter().all(|member| has_room(found, limits, &member.uid))
    {
        return Err(GroupRefused::Full);
    }
    let members = members.into_iter().cloned().map(Effect::Enter);
    let effects = std::iter::once(Effect::Begin(group.clone())).chain(members).collect();
    Ok((GroupOutcome::Done, effects))
}

fn dissolve(group: &Standing, by: &By) -> Decided {
    if !by.trusted && group.owner.as_ref() != Some(&by.uid) {
        return Err(GroupRefused::NoPermission);
    }
    let effects = if group.ended { Vec::new() } else { vec![member(MemberChange::Ended)] };
    Ok((GroupOutcome::Done, effects))
}

fn depart(rules: Rules<'_>, user: &UserId, heir: Option<&UserId>) -> Decided {
    let removed = || member(MemberChange::Removed(user.clone()));
    let went_on = GroupOutcome::Left { ended: false };
    match rules.role(user) {
        None => Ok((GroupOutcome::Done, Vec::new())),
        Some(_) if rules.group.ended => {
            Ok((GroupOutcome::Done, vec![member(MemberChange::Cleared(user.clone()))]))
        }
        Some(_) if rules.group.members == 1 => {
            let effects = vec![member(MemberChange::Ended), removed()];
            Ok((GroupOutcome::Left { ended: true }, effects))
        }
        Some(Role::Owner) => match heir {
            // A group is never left without an owner: whoever asks looks for another heir.
            Some(heir) if heir != user && rules.role(heir).is_some() => {
                let owner = member(MemberChange::Role(heir.clone(), Role::Owner));
                Ok((went_on, vec![owner, removed()]))
            }
            _ => Err(GroupRefused::Unfit),
        },
        Some(_) => Ok((went_on, vec![removed()])),
    }
}

/// Decides for a group that is there.
#[derive(Clone, Copy)]
struct Rules<'a> {
    group: &'a Standing,
    found: &'a Found,
    limits: GroupLimits,
}

impl Rules<'_> {
    fn role(&self, uid: &UserId) -> Option<Role> {
        self.found.roles.get(uid).copied()
    }

    /// Whether `uid` leads the group, as owner or administrator.
    fn leads(&self, uid: &UserId) -> bool {
        self.role(uid).is_some_and(|role| role != Role::Ordinary)
    }

    fn decide(&self, change: &GroupChange) -> Decided {
        match change {
            GroupChange::Describe { by, name, introduction, notification, face_url, .. } => {
                self.describe(by, [name, introduction, notification, face_url])
            }
            GroupChange::Add { by, members, .. } => self.add(by, members),
            GroupChange::Remove { by, users, .. } => self.remove(by, users),
            GroupChange::Leave { user, .. } => self.leave(user),
            GroupChange::Transfer { by, to, .. } => self.transfer(by, to),
            GroupChange::Request(request) => self.ask(request),
            GroupChange::Handle { by, agree, message, now_ms, .. } => {
                self.handle(by, *agree, message, *now_ms)
            }
            // Decided before, as a group that has ended has them too.
            GroupChange::Create { .. }
            | GroupChange::Depart { .. }
            | GroupChange::Dissolve { .. }
            | GroupChange::Clear { .. } => Err(GroupRefused::Unfit),
        }
    }

    fn describe(&self, by: &UserId, texts: [&Option<String>; 4]) -> Decided {
        match self.role(by) {
            None => return Err(GroupRefused::NotMember),
            Some(Role::Ordinary) => return Err(GroupRefused::NoPermission),
            Some(Role::Owner | Role::Administrator) => {}
        }
        let given = texts.iter().any(|text| text.is_some());
        let effects = given.then(|| Effect::Describe(texts.map(Clone::clone)));
        Ok((GroupOutcome::Done, effects.into_iter().collect()))
    }

    fn add(&self, by: &By, members: &[Member]) -> Decided {
        if !by.trusted && self.role(&by.uid).is_none() {
            return Err(GroupRefused::NoPermission);
        }
        let mut here = HashSet::new();
        let mut owned = self.group.owner.is_some();
        let mut len = self.group.members as usize;
        let mut effects = Vec::new();
        let mut outcomes = Vec::with_capacity(members.len());
        for new in members {
            let known = here.contains(&new.uid) || self.role(&new.uid).is_some();
            outcomes.push(if known {
                Added::Member
            } else if len >= self.limits.members_max || !self.has_room(&new.uid) {
                Added::Full
            } else {
                if new.role == Role::Owner && std::mem::replace(&mut owned, true) {
                    return Err(GroupRefused::Unfit);
                }
                here.insert(&new.uid);
                len += 1;
                effects.push(Effect::Enter(new.clone()));
                Added::Joined
            });
        }
        Ok((GroupOutcome::Added(outcomes), effects))
    }

    fn remove(&self, by: &By, users: &[UserId]) -> Decided {
        if !by.trusted && !self.leads(&by.uid) {
            return Err(GroupRefused::NoPermission);
        }
        let owner = self.role(&by.uid) == Some(Role::Owner);
        // Nobody removes themselves or the owner, and administrators not each other.
        let may = |uid: &UserId| match self.role(uid) {
            _ if *uid == by.uid => false,
            Some(Role::Owner) => false,
            Some(Role::Administrator) => owner || by.trusted,
            Some(Role::Ordinary) | None => true,
        };
        let gone: Vec<bool> = users.iter().map(may).collect();
        let mut here = HashSet::new();
        let effects = users
            .iter()
            .zip(&gone)
            .filter(|(uid, gone)| **gone && self.role(uid).is_some() && here.insert(*uid))
            .map(|(uid, _)| member(MemberChange::Removed(uid.clone())))
            .collect();
        Ok((GroupOutcome::Removed(gone), effects))
    }

    fn leave(&self, user: &UserId) -> Decided {
        let left = member(MemberChange::Left(user.clone()));
        match self.role(user) {
            None => Err(GroupRefused::NotMember),
            Some(_) if self.group.members == 1 => {
                let effects = vec![member(MemberChange::Ended), left];
                Ok((GroupOutcome::Left { ended: true }, effects))
            }
            // A group without an owner could not be led any more.
            Some(Role::Owner) => Err(GroupRefused::NoPermission),
            Some(Role::Ordinary | Role::Administrator) => {
                Ok((GroupOutcome::Left { ended: false }, vec![left]))
            }
        }
    }

    fn transfer(&self, by: &UserId, to: &UserId) -> Decided {
        if self.role(by) != Some(Role::Owner) {
            return Err(GroupRefused::NoPermission);
        }
        if by == to || self.role(to).is_none() {
            return Err(GroupRefused::Stranger);
        }
        let effects = [(by, Role::Ordinary), (to, Role::Owner)];
        let effects = effects.map(|(uid, role)| member(MemberChange::Role(uid.clone(), role)));
        Ok((GroupOutcome::Done, effects.into()))
    }

    fn ask(&self, request: &GroupRequest) -> Decided {
        if self.role(&request.from).is_some() {
            return Err(GroupRefused::Member);
        }
        let has_room = self.found.request.is_some()
            || (self.group.requests as usize) < self.limits.requests_max
            || self.found.handled;
        if !has_room {
            return Err(GroupRefused::Full);
        }
        Ok((GroupOutcome::Done, vec![Effect::Ask(request.clone())]))
    }

    fn handle(&self, by: &UserId, agree: bool, message: &str, now_ms: i64) -> Decided {
        if !self.leads(by) {
            return Err(GroupRefused::NoPermission);
        }
        let open = self.found.request.as_ref().filter(|request| request.flag == 0);
        let mut request = open.ok_or(GroupRefused::NoRequest)?.clone();
        let new = new_member(&request, now_ms);
        let joins = agree && self.role(&new.uid).is_none();
        if joins
            && (self.group.members as usize >= self.limits.members_max || !self.has_room(&new.uid))
        {
            return Err(GroupRefused::Full);
        }
        request.flag = if agree { 1 } else { -1 };
        message.clone_into(&mut request.handled_message);
        by.as_str().clone_into(&mut request.handled_by);
        let joined = joins.then_some(new);
        let entered = joined.clone().map(Effect::Enter);
        let effects = entered.into_iter().chain([Effect::Answer(request)]).collect();
        Ok((GroupOutcome::Handled { joined }, effects))
    }

    fn has_room(&self, uid: &UserId) -> bool {
        has_room(self.found, self.limits, uid)
    }
}

fn member(change: MemberChange) -> Effect {
    Effect::Members(change)
}

/// Whether a user may be in one more group.
fn has_room(found: &Found, limits: GroupLimits, uid: &UserId) -> bool {
    found.joined.get(uid).is_some_and(|joined| *joined < limits.joined_max as u64)
}

/// Who is let in by a request: the applicant, or who was invited.
fn who_joins(from: &UserId, to: &str) -> UserId {
    if to == NOBODY { from.clone() } else { UserId::new(to) }
}

fn new_member(request: &GroupRequest, join_ms: i64) -> Member {
    let (nickname, face_url) = match &*request.to {
        NOBODY => (&request.from_nickname, &request.from_face_url),
        _ => (&request.to_nickname, &request.to_face_url),
    };
    let (nickname, face_url) = (nickname.clone(), face_url.clone());
    let uid = who_joins(&request.from, &request.to);
    Member { uid, role: Role::Ordinary, nickname, face_url, join_ms }
}
