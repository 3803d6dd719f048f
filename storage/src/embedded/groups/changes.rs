//! Changes of groups: what is there is read, the rules decide, and what they say is staged.

use std::collections::HashMap;

use openim_record::{GroupId, MemberChange, Role, UserId};

use super::super::index::groups::{
    Tally, decode_group, decode_member, decode_number, decode_place, encode_group, encode_member,
    encode_number, encode_place, group_key, joined_count_key, member_key, members_key, place_key,
    tally_key,
};
use super::super::table::Staged;
use crate::port::group_rules::{Concerned, Effect, Found, Standing, decide};
use crate::port::{
    Group, GroupChange, GroupChanged, GroupLimits, GroupRequest, Member, StoreError,
};

/// The changes of one call.
pub(super) struct Batch<'a> {
    pub(super) staged: Staged<'a>,
    pub(super) limits: GroupLimits,
}

impl Batch<'_> {
    pub(super) fn apply(&mut self, change: &GroupChange) -> Result<GroupChanged, StoreError> {
        let group = change.group();
        let tally = self.staged.get(&tally_key(group), Tally::decode)?;
        let found = self.found(change, tally.as_ref())?;
        let decision = decide(change, &found, self.limits);
        let mut tally = tally.unwrap_or_default();
        if !decision.effects.is_empty() {
            tally.version += 1;
            for effect in &decision.effects {
                self.make(group, &mut tally, effect)?;
            }
            self.put_tally(group, &tally);
        }
        let members = decision.effects.iter().filter_map(Effect::member_change).collect();
        Ok(GroupChanged { outcome: decision.outcome, version: tally.version, members })
    }

    /// What the rules have to know.
    fn found(&self, change: &GroupChange, tally: Option<&Tally>) -> Result<Found, StoreError> {
        let group = change.group();
        let Concerned { roles: of, joined: counted } = Concerned::by(change);
        let mut roles = HashMap::with_capacity(of.len());
        for uid in of {
            if let Some(role) = self.staged.get(&place_key(&uid, group), decode_place)? {
                roles.insert(uid, role);
            }
        }
        let mut joined = HashMap::with_capacity(counted.len());
        for uid in counted {
            let count = self.joined(&uid)?;
            joined.insert(uid, count);
        }
        let mut found = Found { roles, joined, ..Found::default() };
        found.group = tally.map(|tally| Standing {
            owner: tally.owner.clone(),
            members: tally.members,
            requests: tally.requests,
            ended: tally.dissolved,
        });
        match (change, tally) {
            (GroupChange::Request(GroupRequest { from, to, .. }), Some(tally)) => {
                found.request = self.request_between(group, from, to)?;
                found.handled = self.oldest_handled(group, tally)?.is_some();
            }
            (GroupChange::Handle { from, to, .. }, Some(_)) => {
                found.request = self.request_between(group, from, to)?;
            }
            (GroupChange::Clear { members_max, .. }, Some(_)) => {
                found.first = self.first_members(group, *members_max)?;
            }
            _ => {}
        }
        Ok(found)
    }

    fn make(
        &mut self,
        group: &GroupId,
        tally: &mut Tally,
        effect: &Effect,
    ) -> Result<(), StoreError> {
        match effect {
            Effect::Begin(row) => self.staged.put(group_key(group), encode_group(row)),
            Effect::Describe(texts) => self.describe(group, texts)?,
            Effect::Enter(member) => {
                tally.members += 1;
                if member.role == Role::Owner {
                    tally.owner = Some(member.uid.clone());
                }
                let joined = self.joined(&member.uid)? + 1;
                self.staged.put(joined_count_key(&member.uid), encode_number(joined));
                self.put_member(group, member);
            }
            Effect::Members(change) => self.change_member(group, tally, change)?,
            Effect::Ask(request) => self.ask(tally, request)?,
            Effect::Answer(request) => {
                self.put_request(request);
                tally.handled_from = tally.handled_from.min(request.id);
            }
        }
        Ok(())
    }

    fn change_member(
        &mut self,
        group: &GroupId,
        tally: &mut Tally,
        change: &MemberChange,
    ) -> Result<(), StoreError> {
        match change {
            MemberChange::Joined(uid, role) | MemberChange::Role(uid, role) => {
                let key = member_key(group, uid);
                let row = self.staged.get(&key, |row| decode_member(uid.clone(), row))?;
                let row = row.ok_or_else(|| self.staged.malformed())?;
                self.put_member(group, &Member { role: *role, ..row });
                if *role == Role::Owner {
                    tally.owner = Some(uid.clone());
                }
            }
            MemberChange::Left(uid) | MemberChange::Removed(uid) | MemberChange::Cleared(uid) => {
                let joined = self.joined(uid)?.checked_sub(1);
                let (Some(joined), Some(members)) = (joined, tally.members.checked_sub(1)) else {
                    return Err(self.staged.malformed());
                };
                tally.members = members;
                // Of one that has ended it stays known who owned it.
                tally.owner = tally.owner.take().filter(|owner| tally.dissolved || owner != uid);
                self.staged.remove(member_key(group, uid));
                self.staged.remove(place_key(uid, group));
                let row = (joined > 0).then(|| encode_number(joined));
                self.staged.put_or_remove(joined_count_key(uid), row);
            }
            MemberChange::Ended => tally.dissolved = true,
        }
        Ok(())
    }

    fn describe(&mut self, group: &GroupId, texts: &[Option<String>; 4]) -> Result<(), StoreError> {
        let key = group_key(group);
        let row = self.staged.get(&key, |row| decode_group(group, row))?;
        let mut row: Group = row.ok_or_else(|| self.staged.malformed())?;
        let columns =
            [&mut row.name, &mut row.introduction, &mut row.notification, &mut row.face_url];
        for (column, text) in columns.into_iter().zip(texts) {
            if let Some(text) = text {
                column.clone_from(text);
            }
        }
        self.staged.put(key, encode_group(&row));
        Ok(())
    }

    /// The first members, less those that the batch has removed already.
    fn first_members(
        &self,
        group: &GroupId,
        members_max: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let prefix = members_key(group);
        let mut found: Vec<UserId> = Vec::new();
        let mut from = Vec::new();
        while found.len() < members_max
            && let Some(rest) = self.staged.first(&prefix, &from)?
        {
            let uid = std::str::from_utf8(&rest).map_err(|_| self.staged.malformed())?;
            found.push(UserId::new(uid));
            // The next key that can be.
            from = rest;
            from.push(0);
        }
        Ok(found)
    }

    fn joined(&self, user: &UserId) -> Result<u64, StoreError> {
        Ok(self.staged.get(&joined_count_key(user), decode_number)?.unwrap_or(0))
    }

    fn put_member(&mut self, group: &GroupId, member: &Member) {
        self.staged.put(member_key(group, &member.uid), encode_member(member));
        self.staged.put(place_key(&member.uid, group), encode_place(member.role));
    }

    pub(super) fn put_tally(&mut self, group: &GroupId, tally: &Tally) {
        self.staged.put(tally_key(group), tally.encode());
    }
}
