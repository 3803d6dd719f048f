//! Groups on MySQL: a row for each group, member and request.
//!
//! Here are the reads; [`changes`] makes changes, under the lock of the group's row, and [`departures`] knows who has gone
//! out of one a short while ago.

mod changes;
mod departures;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{GroupId, MessageKey, UserId};
use openim_storage::port::group_rules::NOBODY;
use openim_storage::port::{
    Group, GroupChange, GroupChanged, GroupLimits, GroupRequest, Groups, Member, Role, StoreError,
};
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::fault::Fault;
use super::statement::{PART, Statement, id, millis, push_ids, push_page, sorted, text};
use super::store::Store;

/// Groups on MySQL.
pub struct MysqlGroups {
    store: Arc<Store>,
    sweep: departures::Sweep,
}

impl MysqlGroups {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, sweep: departures::Sweep::default() }
    }
}

const READING: &str = "reading groups";
const MEMBERS: &str = concat!(
    "SELECT uid, administrator_level, nickname, user_group_face_url, ",
    millis!("join_time"),
    " FROM group_member WHERE group_id = "
);
const REQUESTS: &str = concat!(
    "SELECT id, group_id, from_user_id, to_user_id, flag, req_msg, handled_msg, ",
    millis!("create_time"),
    ", from_user_nickname, to_user_nickname, from_user_face_url, to_user_face_url, handled_user \
     FROM group_request WHERE group_id = "
);

#[async_trait]
impl Groups for MysqlGroups {
    async fn apply(
        &self,
        changes: &[GroupChange],
        limits: GroupLimits,
    ) -> Result<Vec<GroupChanged>, StoreError> {
        let of = (changes.to_vec(), limits);
        let changed = self
            .store
            .change("changing groups", of, |on, (changes, limits)| {
                Box::pin(changes::apply(on, changes, *limits))
            })
            .await?;
        if changed.iter().any(departures::has_some) {
            self.sweep.begin(&self.store);
        }
        Ok(changed)
    }

    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        requests_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let after = after.and_then(|after| after.try_into().ok()).map_or(0, u64::from_be_bytes);
        let of = (users.to_vec(), after, requests_max);
        self.store
            .change("forgetting requests", of, |on, (users, after, requests_max)| {
                Box::pin(forget(on, users, *after, *requests_max))
            })
            .await
    }

    async fn groups(&self, groups: &[GroupId]) -> Result<Vec<Option<Group>>, StoreError> {
        self.store.read(READING, groups.to_vec(), |on, groups| Box::pin(find(on, groups))).await
    }

    async fn members(
        &self,
        group: &GroupId,
        after: Option<&UserId>,
        members_max: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let of = (group.clone(), after.cloned(), members_max);
        self.store
            .read(READING, of, |on, (group, after, members_max)| {
                Box::pin(async move {
                    let mut page = Statement::new(MEMBERS);
                    page.push_bind(group.as_str().as_bytes()).push(" AND uid");
                    push_page(&mut page, after.as_ref().map(UserId::as_str), "uid", *members_max);
                    page.build().fetch_all(on).await?.iter().map(member_of).collect()
                })
            })
            .await
    }

    async fn members_named(
        &self,
        group: &GroupId,
        users: &[UserId],
    ) -> Result<Vec<Option<Member>>, StoreError> {
        let of = (group.clone(), users.to_vec());
        self.store.read(READING, of, |on, (group, users)| Box::pin(named(on, group, users))).await
    }

    async fn joined(
        &self,
        user: &UserId,
        after: Option<&GroupId>,
        groups_max: usize,
    ) -> Result<Vec<(GroupId, Role)>, StoreError> {
        let of = (user.clone(), after.cloned(), groups_max);
        self.store
            .read(READING, of, |on, (user, after, groups_max)| {
                Box::pin(joined(on, user, after.as_ref(), *groups_max))
            })
            .await
    }

    async fn request(
        &self,
        group: &GroupId,
        from: &UserId,
        to: &str,
    ) -> Result<Option<GroupRequest>, StoreError> {
        let of = (group.clone(), from.clone(), to.to_owned());
        self.store
            .read(READING, of, |on, (group, from, to)| Box::pin(between(on, group, from, to, "")))
            .await
    }

    async fn requests(
        &self,
        group: &GroupId,
        after: u64,
        requests_max: usize,
    ) -> Result<Vec<GroupRequest>, StoreError> {
        let of = (group.clone(), after, requests_max);
        self.store
            .read(READING, of, |on, (group, after, requests_max)| {
                Box::pin(async move {
                    let mut page = Statement::new(REQUESTS);
                    page.push_bind(group.as_str().as_bytes()).push(" AND id > ").push_bind(*after);
                    page.push(" ORDER BY id LIMIT ").push_bind(*requests_max as u64);
                    page.build().fetch_all(on).await?.iter().map(request_of).collect()
                })
            })
            .await
    }

    async fn departed(&self, group: &GroupId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let of = (group.clone(), users.to_vec());
        self.store
            .read(READING, of, |on, (group, users)| Box::pin(departures::lately(on, group, users)))
            .await
    }

    async fn tell_left(
        &self,
        group: &GroupId,
        user: &UserId,
        key: MessageKey,
    ) -> Result<bool, StoreError> {
        let of = (group.clone(), user.clone(), key);
        self.store
            .change("noting who tells that they left", of, |on, (group, user, key)| {
                Box::pin(departures::tell(on, group, user, *key))
            })
            .await
    }
}

/// One step of the walk over all requests, by their id.
async fn forget(
    on: &mut MySqlConnection,
    users: &[UserId],
    after: u64,
    requests_max: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let step = "SELECT id FROM group_request WHERE id > ? ORDER BY id LIMIT ?";
    let step = sqlx::query_scalar(step).bind(after).bind(requests_max as u64);
    let step: Vec<u64> = step.fetch_all(&mut *on).await?;
    let Some(last) = step.last() else { return Ok(None) };
    for ids in sorted(users.iter()).chunks(PART) {
        let mut deletion = Statement::new("DELETE FROM group_request WHERE id > ");
        deletion.push_bind(after).push(" AND id <= ").push_bind(*last);
        deletion.push(" AND (from_user_id IN ");
        push_ids(&mut deletion, ids);
        deletion.push(" OR (to_user_id <> ").push_bind(NOBODY.as_bytes());
        deletion.push(" AND to_user_id IN ");
        push_ids(&mut deletion, ids);
        deletion.push("))").build().execute(&mut *on).await?;
    }
    let over = step.len() < requests_max;
    Ok((!over).then(|| last.to_be_bytes().to_vec()))
}

async fn find(on: &mut MySqlConnection, groups: &[GroupId]) -> Result<Vec<Option<Group>>, Fault> {
    const GROUPS: &str = concat!(
        "SELECT group_id, name, introduction, notification, face_url, ex, ",
        millis!("create_time"),
        ", owner, members, version FROM `group` WHERE ended = 0 AND group_id IN "
    );
    let mut found = HashMap::new();
    let ids: Vec<&[u8]> = groups.iter().map(|group| group.as_str().as_bytes()).collect();
    for ids in ids.chunks(PART) {
        let mut look = Statement::new(GROUPS);
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            let owner: Option<&[u8]> = row.try_get(7)?;
            let group = Group {
                id: GroupId::new(id(&row, 0)?),
                name: text(&row, 1)?,
                introduction: text(&row, 2)?,
                notification: text(&row, 3)?,
                face_url: text(&row, 4)?,
                ex: text(&row, 5)?,
                create_ms: row.try_get(6)?,
                owner: owner.map(|_| id(&row, 7)).transpose()?.map(UserId::new),
                members: row.try_get(8)?,
                version: row.try_get(9)?,
            };
            found.insert(group.id.clone(), group);
        }
    }
    Ok(groups.iter().map(|group| found.get(group).cloned()).collect())
}

async fn named(
    on: &mut MySqlConnection,
    group: &GroupId,
    users: &[UserId],
) -> Result<Vec<Option<Member>>, Fault> {
    let mut found = HashMap::new();
    for ids in sorted(users.iter()).chunks(PART) {
        let mut look = Statement::new(MEMBERS);
        look.push_bind(group.as_str().as_bytes()).push(" AND uid IN ");
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            let member = member_of(&row)?;
            found.insert(member.uid.clone(), member);
        }
    }
    Ok(users.iter().map(|uid| found.get(uid).cloned()).collect())
}

async fn joined(
    on: &mut MySqlConnection,
    user: &UserId,
    after: Option<&GroupId>,
    groups_max: usize,
) -> Result<Vec<(GroupId, Role)>, Fault> {
    let mut page =
        Statement::new("SELECT group_id, administrator_level FROM group_member WHERE uid = ");
    page.push_bind(user.as_str().as_bytes()).push(" AND group_id");
    push_page(&mut page, after.map(GroupId::as_str), "group_id", groups_max);
    let rows = page.build().fetch_all(on).await?;
    rows.iter().map(|row| Ok((GroupId::new(id(row, 0)?), role(row, 1)?))).collect()
}

/// The request of `from` for `to`, locked if the statement ends so.
async fn between(
    on: &mut MySqlConnection,
    group: &GroupId,
    from: &UserId,
    to: &str,
    end: &str,
) -> Result<Option<GroupRequest>, Fault> {
    let mut look = Statement::new(REQUESTS);
    look.push_bind(group.as_str().as_bytes());
    look.push(" AND from_user_id = ").push_bind(from.as_str().as_bytes());
    look.push(" AND to_user_id = ").push_bind(to.as_bytes()).push(end);
    look.build().fetch_optional(on).await?.as_ref().map(request_of).transpose()
}

fn role(row: &MySqlRow, column: usize) -> Result<Role, Fault> {
    let number = row.try_get(column)?;
    let unknown = || Fault::malformed("group_member", format!("{number} is no role"));
    Role::from_number(number).ok_or_else(unknown)
}

fn member_of(row: &MySqlRow) -> Result<Member, Fault> {
    Ok(Member {
        uid: UserId::new(id(row, 0)?),
        role: role(row, 1)?,
        nickname: text(row, 2)?,
        face_url: text(row, 3)?,
        join_ms: row.try_get(4)?,
    })
}

fn request_of(row: &MySqlRow) -> Result<GroupRequest, Fault> {
    Ok(GroupRequest {
        id: row.try_get(0)?,
        group: GroupId::new(id(row, 1)?),
        from: UserId::new(id(row, 2)?),
        to: id(row, 3)?.to_owned(),
        flag: row.try_get(4)?,
        request_message: text(row, 5)?,
        handled_message: text(row, 6)?,
        create_ms: row.try_get(7)?,
        from_nickname: text(row, 8)?,
        to_nickname: text(row, 9)?,
        from_face_url: text(row, 10)?,
        to_face_url: text(row, 11)?,
        handled_by: id(row, 12)?.to_owned(),
    })
}
