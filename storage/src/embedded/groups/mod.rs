//! Groups on the embedded engine: a row for each group, member and request, and one with what
//! would have to be counted.
//!
//! Here are the reads; [`changes`] stages changes of groups and members, [`requests`] those of
//! requests.

mod changes;
mod requests;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{GroupId, UserId};

use self::changes::Batch;
use super::changes::Changes;
use super::index::GROUPS;
use super::index::groups::{
    Tally, all_request_ids_key, decode_group, decode_member, decode_number, decode_place,
    decode_request, group_key, id_of, joined_key, member_key, members_key, request_id_key,
    request_key, request_of, requests_key, tally_key,
};
use super::table::{Names, Table};
use crate::port::group_rules::NOBODY;
use crate::port::{
    Group, GroupChange, GroupChanged, GroupLimits, GroupRequest, Groups, Member, Role, StoreError,
    Tell,
};

const NAMES: Names =
    Names { table: "groups", reading: "reading groups", changing: "changing groups" };

/// The embedded engine's groups.
pub struct EmbeddedGroups {
    table: Table,
}

impl EmbeddedGroups {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        Self { table: Table::new(changes, GROUPS, NAMES) }
    }

    fn group(&self, id: &GroupId) -> Result<Option<Group>, StoreError> {
        // Readers see a batch while it is applied, in the order of its keys: the tally comes second. A
        // group is never without, as both stay.
        let tally = self.table.get(&tally_key(id), Tally::decode)?;
        let Some(tally) = tally.filter(|tally| !tally.dissolved) else { return Ok(None) };
        let group = self.table.get(&group_key(id), |row| decode_group(id, row))?;
        let group = group.ok_or_else(|| self.table.malformed())?;
        let Tally { owner, members, version, .. } = tally;
        Ok(Some(Group { owner, members, version, ..group }))
    }
}

#[async_trait]
impl Groups for EmbeddedGroups {
    async fn apply(
        &self,
        changes: &[GroupChange],
        limits: GroupLimits,
    ) -> Result<Vec<GroupChanged>, StoreError> {
        self.apply_and_tell(changes, limits, &mut |_, _| None).await
    }

    async fn apply_and_tell(
        &self,
        changes: &[GroupChange],
        limits: GroupLimits,
        tell: Tell<'_, GroupChanged>,
    ) -> Result<Vec<GroupChanged>, StoreError> {
        let mut batch = Batch { staged: self.table.change(), limits };
        let mut outcomes = Vec::with_capacity(changes.len());
        for (number, change) in changes.iter().enumerate() {
            // Each is whole. What many of them bring with them has no other bound.
            if batch.staged.is_large() {
                batch.staged.make()?;
            }
            let changed = batch.apply(change)?;
            batch.staged.tell(tell(number, &changed));
            outcomes.push(changed);
        }
        batch.staged.commit()?;
        Ok(outcomes)
    }

    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        requests_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut batch = Batch { staged: self.table.change(), limits: GroupLimits::default() };
        let all = all_request_ids_key();
        let ids = self.table.page(&all, after, requests_max, |rest, row| {
            Some((rest.to_vec(), request_of(rest)?, decode_number(row)?))
        })?;
        let gone: HashSet<&str> = users.iter().map(UserId::as_str).collect();
        for (rest, (group, from, to), id) in &ids {
            let invited = to != NOBODY && gone.contains(to.as_str());
            if invited || gone.contains(from.as_str()) {
                batch.forget(group, [&all[..], rest].concat(), *id)?;
            }
        }
        batch.staged.commit()?;
        let over = ids.len() < requests_max;
        Ok(ids.into_iter().next_back().filter(|_| !over).map(|(rest, ..)| rest))
    }

    async fn groups(&self, groups: &[GroupId]) -> Result<Vec<Option<Group>>, StoreError> {
        groups.iter().map(|id| self.group(id)).collect()
    }

    async fn members(
        &self,
        group: &GroupId,
        after: Option<&UserId>,
        members_max: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let after = after.map(|uid| uid.as_str().as_bytes());
        self.table.page(&members_key(group), after, members_max, |uid, row| {
            decode_member(UserId::new(std::str::from_utf8(uid).ok()?), row)
        })
    }

    async fn members_named(
        &self,
        group: &GroupId,
        users: &[UserId],
    ) -> Result<Vec<Option<Member>>, StoreError> {
        let member = |uid: &UserId| {
            self.table.get(&member_key(group, uid), |row| decode_member(uid.clone(), row))
        };
        users.iter().map(member).collect()
    }

    async fn joined(
        &self,
        user: &UserId,
        after: Option<&GroupId>,
        groups_max: usize,
    ) -> Result<Vec<(GroupId, Role)>, StoreError> {
        let after = after.map(|group| group.as_str().as_bytes());
        self.table.page(&joined_key(user), after, groups_max, |group, row| {
            Some((GroupId::new(std::str::from_utf8(group).ok()?), decode_place(row)?))
        })
    }

    async fn request(
        &self,
        group: &GroupId,
        from: &UserId,
        to: &str,
    ) -> Result<Option<GroupRequest>, StoreError> {
        let id = self.table.get(&request_id_key(group, from, to), decode_number)?;
        let Some(id) = id else { return Ok(None) };
        // One that was replaced meanwhile has another id, and is not the one asked for.
        self.table.get(&request_key(group, id), |row| decode_request(group, id, row))
    }

    async fn requests(
        &self,
        group: &GroupId,
        after: u64,
        requests_max: usize,
    ) -> Result<Vec<GroupRequest>, StoreError> {
        let after = after.to_be_bytes();
        self.table.page(&requests_key(group), Some(&after), requests_max, |id, row| {
            decode_request(group, id_of(id)?, row)
        })
    }
}
