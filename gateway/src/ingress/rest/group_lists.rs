//! Reading groups: what they are, who is in them, who asks to be (spec, REST 7.4).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    self, ApplicationsWriter, GroupApplication, GroupInfo, GroupInfoFilled, GroupMember, ListKey,
    ListWriter,
};
use openim_record::{GroupId, Role, UserId};
use openim_storage::port::{Group, GroupRequest, Member};

use super::answer::{self, Outcome, Refusal};
use super::bearer::{Bearer, Token};
use super::groups::no_list;
use super::pages::{Cursor, Named, PAGE, Source, list};
use crate::bus::{GroupPage, GroupRoles, Refused};
use crate::driver::Core;
use crate::ops::profile::gather_profiles;

/// Members of one page of the member list (spec: 30).
const MEMBERS_PAGE: usize = 30;

pub(super) async fn get_groups_info(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_get_groups_info(body, core.settings.ids_per_call_max)?;
    token.or_no_list(core).await?;
    let ids = asked.group_id_list.iter().map(|id| GroupId::new(id));
    let source = Groups(Named::new(ListKey::Data, ids));
    list(core, source, |_| no_list(ErrCode::Unavailable)).await
}

struct Groups(Named<GroupId>);

impl Source for Groups {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let ids = self.0.next();
        let found = core.query(async move |sources| sources.groups.groups(&ids).await).await?;
        let mut writer = self.0.writer(out);
        for group in found.iter().flatten() {
            writer.element(out, &GroupInfoFilled(info(group)));
        }
        Ok(self.0.turn(writer, out))
    }
}

fn info(group: &Group) -> GroupInfo<'_> {
    GroupInfo {
        group_id: group.id.as_str(),
        group_name: &group.name,
        notification: &group.notification,
        introduction: &group.introduction,
        face_url: &group.face_url,
        owner_id: group.owner.as_ref().map_or("", UserId::as_str),
        create_time: group.create_ms / 1000,
        member_count: group.members,
    }
}

pub(super) async fn get_joined_group_list(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    rest::decode_get_joined_group_list(body)?;
    let me = token.or_no_list(core).await?;
    let source = Joined { me: me.uid, cursor: Cursor::new(ListKey::Data) };
    list(core, source, |_| no_list(ErrCode::ParamFailed)).await
}

struct Joined {
    me: UserId,
    cursor: Cursor<GroupId>,
}

impl Source for Joined {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (me, after) = (self.me.clone(), self.cursor.after.clone());
        let (ids, groups) = core
            .query(async move |sources| {
                let joined = sources.groups.joined(&me, after.as_ref(), PAGE).await?;
                let ids: Vec<GroupId> = joined.into_iter().map(|(id, _)| id).collect();
                let groups = sources.groups.groups(&ids).await?;
                Ok((ids, groups))
            })
            .await?;
        let mut writer = self.cursor.writer(out);
        // A group that nobody owns is left out, as in the original.
        for group in groups.iter().flatten().filter(|group| group.owner.is_some()) {
            writer.element(out, &info(group));
        }
        let full = ids.len() == PAGE;
        Ok(self.cursor.turn(writer, out, full, ids.into_iter().next_back()))
    }
}

// --- members ---------------------------------------------------------------------------------------

/// Whether `me` may read the members of a group: who is one, and managers.
async fn may_read(core: &Rc<Core>, me: &Bearer, group: &GroupId) -> Result<bool, ErrCode> {
    if me.is_manager(core) {
        return Ok(true);
    }
    let roles = GroupRoles { group: group.clone(), users: vec![me.uid.clone()] };
    let roles = core.at_home(roles).await.map_err(|_| ErrCode::Unavailable)?;
    Ok(roles.first().is_some_and(Option::is_some))
}

fn entry<'a>(group: &'a GroupId, member: &'a Member, face_url: &'a str) -> GroupMember<'a> {
    GroupMember {
        group_id: group.as_str(),
        user_id: member.uid.as_str(),
        role: member.role.number(),
        join_time: member.join_ms / 1000,
        nick_name: &member.nickname,
        face_url,
    }
}

pub(super) async fn get_group_member_list(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let failed = |code: ErrCode| {
        let mut out = Vec::new();
        ListWriter::begin(&mut out, ListKey::Data).end_page(&mut out, code, code.text(), 0);
        Refusal::from(answer::json(code.http_status(), out))
    };
    let asked = rest::decode_get_group_member_list(body)?;
    let me = token.bearer(core).await.map_err(|denied| failed(denied.code()))?;
    let group = GroupId::new(&asked.group_id);
    if !may_read(core, &me, &group).await.map_err(failed)? {
        return Err(failed(ErrCode::NoPermission));
    }
    let from = usize::try_from(asked.next_seq).unwrap_or(0);
    let page = GroupPage { group: group.clone(), from, count: MEMBERS_PAGE };
    let uids = core.at_home(page).await.map_err(|_| failed(ErrCode::GroupMembers))?;
    let (id, named) = (group.clone(), uids.clone());
    let read =
        core.query(async move |sources| sources.groups.members_named(&id, &named).await).await;
    let members = read.map_err(|_| failed(ErrCode::GroupMembers))?;
    let mut out = Vec::new();
    let mut list = ListWriter::begin(&mut out, ListKey::Data);
    for member in members.iter().flatten() {
        // Always empty on this route (spec).
        list.element(&mut out, &entry(&group, member, ""));
    }
    let full = uids.len() == MEMBERS_PAGE;
    let next = if full { i32::try_from(from + MEMBERS_PAGE).unwrap_or(0) } else { 0 };
    list.end_page(&mut out, ErrCode::Ok, "", next);
    Ok(answer::json(200, out))
}

pub(super) async fn get_group_all_member_list(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let asked = rest::decode_get_group_all_member_list(body)?;
    let me = token.or_no_list(core).await?;
    let group = GroupId::new(&asked.group_id);
    if !may_read(core, &me, &group).await.map_err(no_list)? {
        // Who wants to join must know whom to ask.
        return owner_alone(core, &group).await;
    }
    let source = AllMembers { group, cursor: Cursor::new(ListKey::Data) };
    list(core, source, |_| no_list(ErrCode::GroupMembers)).await
}

async fn owner_alone(core: &Rc<Core>, group: &GroupId) -> Outcome {
    let id = group.clone();
    let owner = core
        .query(async move |sources| {
            let found = sources.groups.groups(std::slice::from_ref(&id)).await?;
            let owner = found.into_iter().flatten().find_map(|group| group.owner);
            let owner: Vec<UserId> = owner.into_iter().collect();
            sources.groups.members_named(&id, &owner).await
        })
        .await;
    let owner = owner.map_err(|_| no_list(ErrCode::GroupMembers))?;
    let mut out = Vec::new();
    let mut list = ListWriter::begin(&mut out, ListKey::Data);
    for member in owner.iter().flatten() {
        list.element(&mut out, &entry(group, member, &member.face_url));
    }
    list.end(&mut out, ErrCode::Ok, "");
    Ok(answer::json(200, out))
}

struct AllMembers {
    group: GroupId,
    cursor: Cursor<UserId>,
}

impl Source for AllMembers {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (id, after) = (self.group.clone(), self.cursor.after.clone());
        let members = core
            .query(async move |sources| sources.groups.members(&id, after.as_ref(), PAGE).await)
            .await?;
        let mut writer = self.cursor.writer(out);
        for member in &members {
            writer.element(out, &entry(&self.group, member, &member.face_url));
        }
        let full = members.len() == PAGE;
        let last = members.into_iter().next_back().map(|member| member.uid);
        Ok(self.cursor.turn(writer, out, full, last))
    }
}

pub(super) async fn get_group_members_info(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let asked = rest::decode_get_group_members_info(body, core.settings.ids_per_call_max)?;
    let me = token.or_no_list(core).await?;
    let group = GroupId::new(&asked.group_id);
    if !may_read(core, &me, &group).await.map_err(no_list)? {
        return Err(no_list(ErrCode::NoPermission));
    }
    let uids = asked.member_list.iter().map(|uid| UserId::new(uid));
    let source = NamedMembers { group, named: Named::new(ListKey::Data, uids) };
    list(core, source, |_| no_list(ErrCode::GroupMembers)).await
}

struct NamedMembers {
    group: GroupId,
    named: Named<UserId>,
}

impl Source for NamedMembers {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let uids = self.named.next();
        let (id, asked) = (self.group.clone(), uids.clone());
        let members = core
            .query(async move |sources| sources.groups.members_named(&id, &asked).await)
            .await?;
        let users = gather_profiles(core, &uids).await?;
        let mut writer = self.named.writer(out);
        for ((uid, member), user) in uids.iter().zip(&members).zip(&users) {
            let icon = user.as_ref().map_or("", |user| &user.icon);
            let stranger = GroupMember {
                group_id: self.group.as_str(),
                user_id: uid.as_str(),
                role: Role::Ordinary.number(),
                join_time: 0,
                nick_name: "",
                face_url: "",
            };
            let shown = member.as_ref().map_or(stranger, |member| entry(&self.group, member, icon));
            writer.element(out, &shown);
        }
        Ok(self.named.turn(writer, out))
    }
}

// --- requests --------------------------------------------------------------------------------------

pub(super) async fn get_group_application_list(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    rest::decode_get_group_application_list(body)?;
    let me = token.or(core, ErrCode::ChatToken).await?;
    let source = Applications {
        me: me.uid,
        after: None,
        open: Vec::new(),
        last: 0,
        end: false,
        writer: None,
    };
    list(core, source, |_| {
        let mut out = Vec::new();
        let code = ErrCode::GroupApplications;
        ApplicationsWriter::begin(&mut out).end(&mut out, code, code.text());
        answer::json(200, out).into()
    })
    .await
}

/// Requests of all groups that `me` leads.
struct Applications {
    me: UserId,
    /// The last joined group that was looked at.
    after: Option<GroupId>,
    /// Groups of that page whose requests are still to be shown; the last one first.
    open: Vec<GroupId>,
    /// The last request shown of the group at the end of `open`.
    last: u64,
    /// There are no more joined groups.
    end: bool,
    writer: Option<ApplicationsWriter>,
}

impl Source for Applications {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => ApplicationsWriter::begin(out),
        };
        if self.open.is_empty() && !self.end {
            self.next_groups(core).await?;
        }
        if let Some(group) = self.open.last() {
            let (id, last) = (group.clone(), self.last);
            let rows = core
                .query(async move |sources| sources.groups.requests(&id, last, PAGE).await)
                .await?;
            for row in &rows {
                application(row, &self.me, |shown| writer.element(out, shown));
            }
            self.last = rows.last().map_or(0, |row| row.id);
            if rows.len() < PAGE {
                self.open.pop();
                self.last = 0;
            }
        }
        if self.open.is_empty() && self.end {
            writer.end(out, ErrCode::Ok, "");
            return Ok(false);
        }
        self.writer = Some(writer);
        Ok(true)
    }
}

impl Applications {
    /// The next page of joined groups, those that `me` leads.
    async fn next_groups(&mut self, core: &Rc<Core>) -> Result<(), Refused> {
        let (me, after) = (self.me.clone(), self.after.clone());
        let joined = core
            .query(async move |sources| sources.groups.joined(&me, after.as_ref(), PAGE).await)
            .await?;
        self.end = joined.len() < PAGE;
        self.after = joined.last().map(|(id, _)| id.clone());
        let led = joined.into_iter().filter(|(_, role)| *role != Role::Ordinary);
        self.open = led.map(|(id, _)| id).rev().collect();
        Ok(())
    }
}

fn application(row: &GroupRequest, me: &UserId, show: impl FnOnce(&GroupApplication<'_>)) {
    show(&GroupApplication {
        id: &row.id.to_string(),
        group_id: row.group.as_str(),
        from_user_id: row.from.as_str(),
        to_user_id: &row.to,
        flag: row.flag,
        req_msg: &row.request_message,
        handled_msg: &row.handled_message,
        create_time: row.create_ms / 1000,
        from_user_nick_name: &row.from_nickname,
        to_user_nick_name: &row.to_nickname,
        from_user_face_url: &row.from_face_url,
        to_user_face_url: &row.to_face_url,
        handled_user: &row.handled_by,
        reader: me.as_str(),
    });
}
