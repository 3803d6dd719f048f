//! Tips about groups that the server itself sends, as that of June 2021 did for every caller.
//!
//! Clients from August on send these tips themselves, so they are sent only for a device that is known to be
//! of June, and for none in the May profile. Managers' tips are others (`groups`). Like those, a tip becomes durable with
//! its change; what it needs besides is read before.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply::TimeUnit;
use openim_protocol::rest::GroupApplicationResponse;
use openim_protocol::tip::june;
use openim_record::{GroupId, Role, UserId};
use openim_storage::port::{Group, User};

use super::bearer::Bearer;
use super::groups;
use crate::bus::{GroupRoles, Telling};
use crate::driver::Core;
use crate::ops::profile::profile_of;
use crate::ops::tip::Said;

/// What tells of a change that is asked for; `None`: nobody does.
type Tells = Result<Option<Telling>, ErrCode>;

/// Whether the server speaks for this caller; `of_june`: the call itself is of that generation.
pub(super) fn tells(core: &Core, me: &Bearer, of_june: bool) -> bool {
    let known = of_june || me.unit == Some(TimeUnit::Seconds);
    known && !core.settings.wire.may && !me.is_manager(core)
}

async fn group_of(core: &Rc<Core>, group: &GroupId) -> Result<Option<Group>, ErrCode> {
    let id = group.clone();
    let found = core.query(async move |sources| sources.groups.groups(&[id]).await).await;
    Ok(found.map_err(|_| ErrCode::Unavailable)?.into_iter().next().flatten())
}

async fn user_of(core: &Rc<Core>, uid: &UserId) -> Result<Option<User>, ErrCode> {
    let found = profile_of(core, uid).await.map_err(|_| ErrCode::Unavailable)?;
    Ok(found.map(|user| (*user).clone()))
}

/// Of each user, whether they are in the group.
pub(super) async fn members(core: &Rc<Core>, group: &GroupId, users: &[UserId]) -> Vec<bool> {
    let roles = GroupRoles { group: group.clone(), users: users.to_vec() };
    let roles = core.at_home(roles).await.unwrap_or_default();
    roles.iter().map(Option::is_some).collect()
}

/// 506: the group is described anew, by those of name, introduction, notification and picture that are given.
pub(super) async fn described(
    core: &Rc<Core>,
    me: &Bearer,
    group: &GroupId,
    texts: &[Option<String>; 4],
    operation_id: &str,
) -> Tells {
    if !tells(core, me, false) {
        return Ok(None);
    }
    let Some(before) = group_of(core, group).await? else { return Ok(None) };
    let before = [&before.name, &before.introduction, &before.notification, &before.face_url];
    let mut now = texts.iter().zip(before).map(|(text, before)| text.as_ref().unwrap_or(before));
    let mut next = || now.next().map_or("", String::as_str);
    let (name, introduction, notification, face_url) = (next(), next(), next(), next());
    let group_id = group.as_str();
    let tip = june::described(&june::Described {
        group_id,
        name,
        notification,
        introduction,
        face_url,
        operation_id,
    });
    let said = Said::to_group(group, tip);
    Ok(Some(groups::tells(core, me, |_| vec![said])))
}

/// 504: somebody asks to join, which its owner is told.
pub(super) async fn asked(core: &Rc<Core>, me: &Bearer, group: &GroupId, message: &str) -> Tells {
    if !tells(core, me, false) {
        return Ok(None);
    }
    let owner = group_of(core, group).await?.and_then(|group| group.owner);
    let tip = june::asked(group.as_str(), me.uid.as_str(), message);
    Ok(owner.map(|owner| {
        let said = Said::to_user(&owner, tip);
        groups::tells(core, me, |_| vec![said])
    }))
}

/// 505: the caller has left.
pub(super) async fn quit(
    core: &Rc<Core>,
    me: &Bearer,
    group: &GroupId,
    operation_id: &str,
) -> Tells {
    if !tells(core, me, false) {
        return Ok(None);
    }
    let user = user_of(core, &me.uid).await?;
    let name = user.as_ref().map_or("", |user| &user.name);
    let said = Said::to_group(group, june::quit(group.as_str(), name, operation_id));
    Ok(Some(groups::tells(core, me, |_| vec![said])))
}

/// 501: the caller has handed the group over.
pub(super) fn transferred(
    core: &Core,
    me: &Bearer,
    group: &GroupId,
    to: &UserId,
    operation_id: &str,
) -> Option<Telling> {
    if !tells(core, me, false) {
        return None;
    }
    let tip = june::owner_changed(group.as_str(), me.uid.as_str(), to.as_str(), operation_id);
    let said = Said::to_group(group, tip);
    Some(groups::tells(core, me, |_| vec![said]))
}

/// 511 or 512 to the applicant, and 507 to the group that has a new member.
pub(super) async fn answered(
    core: &Rc<Core>,
    me: &Bearer,
    agree: bool,
    asked: &GroupApplicationResponse<'_>,
) -> Tells {
    if !tells(core, me, false) {
        return Ok(None);
    }
    let (group, from) = (GroupId::new(&asked.group_id), UserId::new(&asked.from_user_id));
    let (id, named) = (group.clone(), vec![me.uid.clone()]);
    let own =
        core.query(async move |sources| sources.groups.members_named(&id, &named).await).await;
    let own = own.map_err(|_| ErrCode::Unavailable)?.into_iter().next().flatten();
    let applicant = user_of(core, &from).await?;
    let of_applicant = |text: fn(&User) -> &str| applicant.as_ref().map_or("", text);
    let answered = june::Answered {
        group_id: group.as_str(),
        from: from.as_str(),
        from_name: of_applicant(|user| &user.name),
        from_face_url: of_applicant(|user| &user.icon),
        to: &asked.to_user_id,
        add_time: asked.add_time,
        request: &asked.request_msg,
        answer: &asked.handled_msg,
        by: me.uid.as_str(),
        by_name: own.as_ref().map_or("", |own| &own.nickname),
        by_face_url: own.as_ref().map_or("", |own| &own.face_url),
        by_role: own.as_ref().map_or(Role::Ordinary, |own| own.role).number(),
        by_join_time: own.as_ref().map_or(0, |own| own.join_ms / 1000),
        operation_id: &asked.operation_id,
    };
    let mut said = vec![Said::to_user(&from, june::answered(agree, &answered))];
    if agree {
        said.push(Said::to_group(&group, june::agreed(&answered)));
    }
    Ok(Some(groups::tells(core, me, |_| said)))
}
