//! Changes of groups and members. Each looks first and stages then, so that one that cannot be
//! leaves nothing behind.

use std::collections::HashSet;

use openim_record::{GroupId, UserId};

use super::super::index::groups::{
    Tally, decode_group, decode_member, decode_number, encode_group, encode_member, encode_number,
    encode_place, group_key, joined_count_key, member_key, place_key, request_id_key, tally_key,
};
use super::super::table::Staged;
use super::requests::Handling;
use crate::port::{Added, Group, GroupChange, GroupLimits, GroupOutcome, Member, Role, StoreError};

/// The changes of one call.
pub(super) struct Batch<'a> {
    pub(super) staged: Staged<'a>,
    pub(super) limits: GroupLimits,
}

impl Batch<'_> {
    pub(super) fn apply(&mut self, change: &GroupChange) -> Result<GroupOutcome, StoreError> {
        let group = match change {
            GroupChange::Create { group, .. } => &group.id,
            GroupChange::Request(request) => &request.group,
            GroupChange::Describe { group, .. }
            | GroupChange::Add { group, .. }
            | GroupChange::Remove { group, .. }
            | GroupChange::Transfer { group, .. }
            | GroupChange::Dissolve { group, .. }
            | GroupChange::Handle { group, .. } => group,
        };
        let tally = self.staged.get(&tally_key(group), Tally::decode)?;
        match (change, tally) {
            (GroupChange::Create { .. }, Some(_)) => Ok(GroupOutcome::Exists),
            (GroupChange::Create { group, members }, None) => self.create(group, members),
            (_, None) => Ok(GroupOutcome::NoGroup),
            (GroupChange::Dissolve { by, .. }, Some(tally)) => {
                Ok(self.dissolve(group, tally, by.as_ref()))
            }
            (GroupChange::Remove { users, .. }, Some(tally)) => self.remove(group, tally, users),
            (_, Some(Tally { dissolved: true, .. })) => Ok(GroupOutcome::NoGroup),
            (GroupChange::Describe { name, introduction, notification, face_url, .. }, Some(_)) => {
                self.describe(group, [name, introduction, notification, face_url])
            }
            (GroupChange::Add { members, .. }, Some(tally)) => self.add(group, tally, members),
            (GroupChange::Transfer { from, to, .. }, Some(tally)) => {
                self.transfer(group, tally, from, to)
            }
            (GroupChange::Request(request), Some(tally)) => self.request(tally, request),
            (GroupChange::Handle { from, to, agree, message, by, now_ms, .. }, Some(tally)) => {
                let handling = Handling { agree: *agree, message, by, now_ms: *now_ms };
                self.handle(group, tally, &request_id_key(group, from, to), &handling)
            }
        }
    }

    fn create(&mut self, group: &Group, members: &[Member]) -> Result<GroupOutcome, StoreError> {
        let mut here = HashSet::with_capacity(members.len());
        let members: Vec<_> = members.iter().filter(|member| here.insert(&member.uid)).collect();
        let mut owners = members.iter().filter(|member| member.role == Role::Owner);
        let (Some(owner), None) = (owners.next(), owners.next()) else {
            return Ok(GroupOutcome::Unfit);
        };
        if members.len() > self.limits.members_max {
            return Ok(GroupOutcome::Full);
        }
        let mut counts = Vec::with_capacity(members.len());
        for member in &members {
            let Some(count) = self.room_of(&member.uid)? else { return Ok(GroupOutcome::Full) };
            counts.push(count);
        }
        let owner = Some(owner.uid.clone());
        let tally = Tally { owner, members: members.len() as u32, ..Tally::default() };
        self.put_tally(&group.id, &tally);
        self.staged.put(group_key(&group.id), encode_group(group));
        for (member, joined) in members.into_iter().zip(counts) {
            self.enter(&group.id, member, joined);
        }
        Ok(GroupOutcome::Done)
    }

    fn describe(
        &mut self,
        group: &GroupId,
        texts: [&Option<String>; 4],
    ) -> Result<GroupOutcome, StoreError> {
        let key = group_key(group);
        let row = self.staged.get(&key, |row| decode_group(group, row))?;
        let mut row = row.ok_or_else(|| self.staged.malformed())?;
        let columns =
            [&mut row.name, &mut row.introduction, &mut row.notification, &mut row.face_url];
        for (column, text) in columns.into_iter().zip(texts) {
            if let Some(text) = text {
                column.clone_from(text);
            }
        }
        if texts.iter().any(|text| text.is_some()) {
            self.staged.put(key, encode_group(&row));
        }
        Ok(GroupOutcome::Done)
    }

    fn add(
        &mut self,
        group: &GroupId,
        mut tally: Tally,
        members: &[Member],
    ) -> Result<GroupOutcome, StoreError> {
        let mut here = HashSet::new();
        let mut entering = Vec::new();
        let mut outcomes = Vec::with_capacity(members.len());
        for member in members {
            let known =
                here.contains(&member.uid) || self.staged.has(&member_key(group, &member.uid))?;
            let full = tally.members as usize >= self.limits.members_max;
            let joined = if known || full { None } else { self.room_of(&member.uid)? };
            outcomes.push(match joined {
                _ if known => Added::Member,
                None => Added::Full,
                Some(joined) => {
                    if member.role == Role::Owner
                        && tally.owner.replace(member.uid.clone()).is_some()
                    {
                        return Ok(GroupOutcome::Unfit);
                    }
                    here.insert(&member.uid);
                    tally.members += 1;
                    entering.push((member, joined));
                    Added::Joined
                }
            });
        }
        if !entering.is_empty() {
            self.put_tally(group, &tally);
        }
        for (member, joined) in entering {
            self.enter(group, member, joined);
        }
        Ok(GroupOutcome::Added(outcomes))
    }

    fn remove(
        &mut self,
        group: &GroupId,
        mut tally: Tally,
        users: &[UserId],
    ) -> Result<GroupOutcome, StoreError> {
        for uid in users {
            let key = member_key(group, uid);
            if !self.staged.has(&key)? {
                continue;
            }
            let joined = self.joined(uid)?.checked_sub(1);
            let (Some(joined), Some(members)) = (joined, tally.members.checked_sub(1)) else {
                return Err(self.staged.malformed());
            };
            tally.members = members;
            tally.owner = tally.owner.filter(|owner| tally.dissolved || owner != uid);
            self.staged.remove(key);
            self.staged.remove(place_key(uid, group));
            let row = (joined > 0).then(|| encode_number(joined));
            self.staged.put_or_remove(joined_count_key(uid), row);
            self.put_tally(group, &tally);
        }
        Ok(GroupOutcome::Done)
    }

    fn transfer(
        &mut self,
        group: &GroupId,
        mut tally: Tally,
        from: &UserId,
        to: &UserId,
    ) -> Result<GroupOutcome, StoreError> {
        let (before, after) = (self.member(group, from)?, self.member(group, to)?);
        let (Some(mut before), Some(mut after)) = (before, after) else {
            return Ok(GroupOutcome::Unfit);
        };
        if before.role != Role::Owner || from == to {
            return Ok(GroupOutcome::Unfit);
        }
        (before.role, after.role) = (Role::Ordinary, Role::Owner);
        self.put_member(group, &before);
        self.put_member(group, &after);
        tally.owner = Some(after.uid);
        self.put_tally(group, &tally);
        Ok(GroupOutcome::Done)
    }

    fn dissolve(&mut self, group: &GroupId, mut tally: Tally, by: Option<&UserId>) -> GroupOutcome {
        if by.is_some_and(|by| tally.owner.as_ref() != Some(by)) {
            return GroupOutcome::Unfit;
        }
        if !tally.dissolved {
            tally.dissolved = true;
            self.put_tally(group, &tally);
        }
        GroupOutcome::Done
    }

    pub(super) fn member(
        &self,
        group: &GroupId,
        uid: &UserId,
    ) -> Result<Option<Member>, StoreError> {
        self.staged.get(&member_key(group, uid), |row| decode_member(uid.clone(), row))
    }

    /// How many groups the user is in, if there may be one more.
    pub(super) fn room_of(&self, user: &UserId) -> Result<Option<u64>, StoreError> {
        let joined = self.joined(user)?;
        Ok(Some(joined).filter(|joined| *joined < self.limits.joined_max as u64))
    }

    fn joined(&self, user: &UserId) -> Result<u64, StoreError> {
        Ok(self.staged.get(&joined_count_key(user), decode_number)?.unwrap_or(0))
    }

    /// Stages a new member, who is in `joined` groups already; the tally is the caller's.
    pub(super) fn enter(&mut self, group: &GroupId, member: &Member, joined: u64) {
        self.put_member(group, member);
        self.staged.put(joined_count_key(&member.uid), encode_number(joined + 1));
    }

    fn put_member(&mut self, group: &GroupId, member: &Member) {
        self.staged.put(member_key(group, &member.uid), encode_member(member));
        self.staged.put(place_key(&member.uid, group), encode_place(member.role));
    }

    pub(super) fn put_tally(&mut self, group: &GroupId, tally: &Tally) {
        self.staged.put(tally_key(group), tally.encode());
    }
}
