//! Changes of groups: each locks its group, reads what the rules ask for, and writes what they say.

use std::collections::{BTreeSet, HashMap};

use openim_record::{GroupId, MemberChange, Role, UserId};
use openim_storage::port::group_rules::{Concerned, Decision, Effect, Found, Standing, decide};
use openim_storage::port::{Group, GroupChange, GroupChanged, GroupLimits, GroupRequest, Member};
use sqlx::{MySqlConnection, Row as _};

use super::super::fault::Fault;
use super::super::locks::lock;
use super::super::statement::{
    PART, Statement, id, parts, push_between, push_ids, push_time, sorted,
};
use super::{between, departures, role};

/// What a group's row has that follows from its changes.
#[derive(Clone, Default)]
struct Tally {
    owner: Option<UserId>,
    members: u32,
    ended: bool,
    version: u64,
}

pub(super) async fn apply(
    on: &mut MySqlConnection,
    changes: &[GroupChange],
    limits: GroupLimits,
) -> Result<Vec<GroupChanged>, Fault> {
    lock_all(on, changes).await?;
    let mut told = Vec::with_capacity(changes.len());
    for change in changes {
        told.push(make(on, change, limits).await?);
    }
    Ok(told)
}

/// Locks every group of the batch, and the users whose groups are counted, in one order for all batches.
async fn lock_all(on: &mut MySqlConnection, changes: &[GroupChange]) -> Result<(), Fault> {
    let groups: BTreeSet<&[u8]> =
        changes.iter().map(|change| change.group().as_str().as_bytes()).collect();
    let groups: Vec<&[u8]> = groups.into_iter().collect();
    for ids in groups.chunks(PART) {
        let mut locked = Statement::new("SELECT version FROM `group` WHERE group_id IN ");
        push_ids(&mut locked, ids);
        locked.push(" ORDER BY group_id FOR UPDATE").build().fetch_all(&mut *on).await?;
    }
    let counted: Vec<UserId> =
        changes.iter().flat_map(|change| Concerned::by(change).joined).collect();
    lock(on, counted.iter()).await
}

async fn make(
    on: &mut MySqlConnection,
    change: &GroupChange,
    limits: GroupLimits,
) -> Result<GroupChanged, Fault> {
    let group = change.group();
    let tally = tally(on, group).await?;
    let found = found(on, change, tally.as_ref()).await?;
    let Decision { outcome, effects } = decide(change, &found, limits);
    let mut tally = tally.unwrap_or_default();
    if !effects.is_empty() {
        tally.version += 1;
        write(on, group, &mut tally, &effects, &found, limits).await?;
    }
    let members = effects.iter().filter_map(Effect::member_change).collect();
    Ok(GroupChanged { outcome, version: tally.version, members })
}

/// The group's row, locked, also of one that has ended.
async fn tally(on: &mut MySqlConnection, group: &GroupId) -> Result<Option<Tally>, Fault> {
    let look = "SELECT owner, members, ended, version FROM `group` WHERE group_id = ? FOR UPDATE";
    let look = sqlx::query(look).bind(group.as_str().as_bytes());
    let Some(row) = look.fetch_optional(on).await? else { return Ok(None) };
    let owner: Option<&[u8]> = row.try_get(0)?;
    Ok(Some(Tally {
        owner: owner.map(|_| id(&row, 0)).transpose()?.map(UserId::new),
        members: row.try_get(1)?,
        ended: row.try_get(2)?,
        version: row.try_get(3)?,
    }))
}

/// What the rules have to know.
async fn found(
    on: &mut MySqlConnection,
    change: &GroupChange,
    tally: Option<&Tally>,
) -> Result<Found, Fault> {
    let group = change.group();
    let concerned = Concerned::by(change);
    let mut found =
        Found { joined: count_joined(on, &concerned.joined).await?, ..Found::default() };
    let Some(tally) = tally else { return Ok(found) };
    found.roles = roles(on, group, &concerned.roles).await?;
    let mut standing = Standing {
        owner: tally.owner.clone(),
        members: tally.members,
        requests: 0,
        ended: tally.ended,
    };
    match change {
        GroupChange::Request(GroupRequest { from, to, .. }) => {
            found.request = between(on, group, from, to, " FOR UPDATE").await?;
            (standing.requests, found.handled) = count_requests(on, group).await?;
        }
        GroupChange::Handle { from, to, .. } => {
            found.request = between(on, group, from, to, " FOR UPDATE").await?;
        }
        GroupChange::Clear { members_max, .. } => {
            let first = "SELECT uid FROM group_member WHERE group_id = ? ORDER BY uid LIMIT ?";
            let first = sqlx::query(first).bind(group.as_str().as_bytes());
            let rows = first.bind(*members_max as u64).fetch_all(on).await?;
            let uids = rows.iter().map(|row| Ok(UserId::new(id(row, 0)?)));
            found.first = uids.collect::<Result<_, Fault>>()?;
        }
        _ => {}
    }
    found.group = Some(standing);
    Ok(found)
}

async fn roles(
    on: &mut MySqlConnection,
    group: &GroupId,
    users: &[UserId],
) -> Result<HashMap<UserId, Role>, Fault> {
    let mut found = HashMap::new();
    for ids in sorted(users.iter()).chunks(PART) {
        let mut look =
            Statement::new("SELECT uid, administrator_level FROM group_member WHERE group_id = ");
        look.push_bind(group.as_str().as_bytes()).push(" AND uid IN ");
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            found.insert(UserId::new(id(&row, 0)?), role(&row, 1)?);
        }
    }
    Ok(found)
}

/// Of each in how many groups they are: no other change of it can come in between, as they are locked.
async fn count_joined(
    on: &mut MySqlConnection,
    users: &[UserId],
) -> Result<HashMap<UserId, u64>, Fault> {
    let mut joined: HashMap<UserId, u64> = users.iter().map(|uid| (uid.clone(), 0)).collect();
    for ids in sorted(users.iter()).chunks(PART) {
        let mut count = Statement::new("SELECT uid, COUNT(*) FROM group_member WHERE uid IN ");
        push_ids(&mut count, ids);
        count.push(" GROUP BY uid");
        for row in count.build().fetch_all(&mut *on).await? {
            let count: i64 = row.try_get(1)?;
            joined.insert(UserId::new(id(&row, 0)?), u64::try_from(count).unwrap_or(0));
        }
    }
    Ok(joined)
}

/// How many requests a group has, and whether one of them is handled.
async fn count_requests(on: &mut MySqlConnection, group: &GroupId) -> Result<(u32, bool), Fault> {
    let count = "SELECT COUNT(*), COUNT(CASE WHEN flag <> 0 THEN 1 END) FROM group_request WHERE group_id = ?";
    let row = sqlx::query(count).bind(group.as_str().as_bytes()).fetch_one(on).await?;
    let (all, handled): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((u32::try_from(all).unwrap_or(u32::MAX), handled > 0))
}

async fn write(
    on: &mut MySqlConnection,
    group: &GroupId,
    tally: &mut Tally,
    effects: &[Effect],
    found: &Found,
    limits: GroupLimits,
) -> Result<(), Fault> {
    let mut gone = Vec::new();
    let mut departed = Vec::new();
    let mut entered = Vec::new();
    for effect in effects {
        match effect {
            Effect::Members(MemberChange::Left(uid)) => departed.push((uid, true)),
            Effect::Members(MemberChange::Removed(uid)) => departed.push((uid, false)),
            _ => {}
        }
        match effect {
            Effect::Begin(row) => begin(on, row).await?,
            Effect::Describe(texts) => describe(on, group, texts).await?,
            Effect::Enter(member) => {
                tally.members += 1;
                tally.leads(&member.uid, member.role);
                entered.push(member);
            }
            Effect::Members(MemberChange::Joined(uid, role) | MemberChange::Role(uid, role)) => {
                tally.leads(uid, *role);
                set_role(on, group, uid, *role).await?;
            }
            Effect::Members(
                MemberChange::Left(uid) | MemberChange::Removed(uid) | MemberChange::Cleared(uid),
            ) => {
                tally.members = tally.members.checked_sub(1).ok_or_else(|| {
                    Fault::malformed("group", format!("{group} has more members than it counts"))
                })?;
                // Of one that has ended it stays known who owned it.
                tally.owner = tally.owner.take().filter(|owner| tally.ended || owner != uid);
                gone.push(uid);
            }
            Effect::Members(MemberChange::Ended) => tally.ended = true,
            Effect::Ask(request) => ask(on, request, found, limits).await?,
            Effect::Answer(request) => answer(on, request).await?,
        }
    }
    remove(on, group, &gone).await?;
    departures::note(on, group, &departed).await?;
    enter(on, group, &entered).await?;
    let update =
        "UPDATE `group` SET owner = ?, members = ?, ended = ?, version = ? WHERE group_id = ?";
    let owner = tally.owner.as_ref().map(|owner| owner.as_str().as_bytes());
    let update = sqlx::query(update).bind(owner).bind(tally.members).bind(tally.ended);
    update.bind(tally.version).bind(group.as_str().as_bytes()).execute(on).await?;
    Ok(())
}

impl Tally {
    fn leads(&mut self, uid: &UserId, role: Role) {
        if role == Role::Owner {
            self.owner = Some(uid.clone());
        }
    }
}

async fn begin(on: &mut MySqlConnection, row: &Group) -> Result<(), Fault> {
    // Whoever makes it meanwhile makes this fail, and the change is tried again.
    let mut insertion = Statement::new(
        "INSERT INTO `group` (group_id, name, introduction, notification, face_url, ex, create_time) VALUES (",
    );
    insertion.push_bind(row.id.as_str().as_bytes());
    for column in [&row.name, &row.introduction, &row.notification, &row.face_url, &row.ex] {
        insertion.push(", ").push_bind(&**column);
    }
    insertion.push(", ");
    push_time(&mut insertion, row.create_ms);
    insertion.push(")").build().execute(on).await?;
    Ok(())
}

async fn describe(
    on: &mut MySqlConnection,
    group: &GroupId,
    texts: &[Option<String>; 4],
) -> Result<(), Fault> {
    let update = "UPDATE `group` SET name = COALESCE(?, name), introduction = COALESCE(?, introduction), \
         notification = COALESCE(?, notification), face_url = COALESCE(?, face_url) WHERE group_id = ?";
    let mut update = sqlx::query(update);
    for text in texts {
        update = update.bind(text.as_deref());
    }
    update.bind(group.as_str().as_bytes()).execute(on).await?;
    Ok(())
}

async fn set_role(
    on: &mut MySqlConnection,
    group: &GroupId,
    uid: &UserId,
    role: Role,
) -> Result<(), Fault> {
    let update = "UPDATE group_member SET administrator_level = ? WHERE group_id = ? AND uid = ?";
    let update = sqlx::query(update).bind(role.number()).bind(group.as_str().as_bytes());
    update.bind(uid.as_str().as_bytes()).execute(on).await?;
    Ok(())
}

async fn remove(on: &mut MySqlConnection, group: &GroupId, gone: &[&UserId]) -> Result<(), Fault> {
    for ids in sorted(gone.iter().copied()).chunks(PART) {
        let mut deletion = Statement::new("DELETE FROM group_member WHERE group_id = ");
        deletion.push_bind(group.as_str().as_bytes()).push(" AND uid IN ");
        push_ids(&mut deletion, ids);
        deletion.build().execute(&mut *on).await?;
    }
    Ok(())
}

async fn enter(
    on: &mut MySqlConnection,
    group: &GroupId,
    entered: &[&Member],
) -> Result<(), Fault> {
    for members in parts(entered) {
        let mut insertion = Statement::new(
            "INSERT INTO group_member (group_id, uid, administrator_level, nickname, user_group_face_url, join_time) \
             VALUES ",
        );
        for (n, member) in members.iter().enumerate() {
            push_between(&mut insertion, n, ", ");
            let mut row = insertion.separated(", ");
            row.push_unseparated("(").push_bind(group.as_str().as_bytes());
            row.push_bind(member.uid.as_str().as_bytes()).push_bind(member.role.number());
            row.push_bind(&*member.nickname).push_bind(&*member.face_url).push_unseparated(", ");
            push_time(&mut insertion, member.join_ms);
            insertion.push(")");
        }
        insertion.build().execute(&mut *on).await?;
    }
    Ok(())
}

/// A new request in place of the same one, or of the oldest handled one where there is no room.
async fn ask(
    on: &mut MySqlConnection,
    request: &GroupRequest,
    found: &Found,
    limits: GroupLimits,
) -> Result<(), Fault> {
    let group = request.group.as_str().as_bytes();
    let requests = found.group.as_ref().map_or(0, |standing| standing.requests as usize);
    if let Some(same) = &found.request {
        let deletion = sqlx::query("DELETE FROM group_request WHERE id = ?").bind(same.id);
        deletion.execute(&mut *on).await?;
    } else if requests >= limits.requests_max {
        let oldest =
            "DELETE FROM group_request WHERE group_id = ? AND flag <> 0 ORDER BY id LIMIT 1";
        sqlx::query(oldest).bind(group).execute(&mut *on).await?;
    }
    let mut insertion = Statement::new(
        "INSERT INTO group_request (group_id, from_user_id, to_user_id, flag, req_msg, handled_msg, \
         from_user_nickname, to_user_nickname, from_user_face_url, to_user_face_url, handled_user, create_time) \
         VALUES (",
    );
    let mut row = insertion.separated(", ");
    row.push_bind(group).push_bind(request.from.as_str().as_bytes());
    row.push_bind(request.to.as_bytes()).push_bind(request.flag);
    row.push_bind(&*request.request_message).push_bind(&*request.handled_message);
    row.push_bind(&*request.from_nickname).push_bind(&*request.to_nickname);
    row.push_bind(&*request.from_face_url).push_bind(&*request.to_face_url);
    row.push_bind(request.handled_by.as_bytes()).push_unseparated(", ");
    push_time(&mut insertion, request.create_ms);
    insertion.push(")").build().execute(on).await?;
    Ok(())
}

async fn answer(on: &mut MySqlConnection, request: &GroupRequest) -> Result<(), Fault> {
    let update =
        "UPDATE group_request SET flag = ?, handled_msg = ?, handled_user = ? WHERE id = ?";
    let update = sqlx::query(update).bind(request.flag).bind(&*request.handled_message);
    update.bind(request.handled_by.as_bytes()).bind(request.id).execute(on).await?;
    Ok(())
}
