//! Tips about groups that the server itself sends, as that of June 2021 did for every caller.
//!
//! Clients from August on send these tips themselves, so they are sent only for a device that is known to be
//! of June, and for none in the May profile. Managers' tips are others (`groups`). Like those, a tip comes
//! after the change is durable: after a crash in between there is none.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply::TimeUnit;
use openim_protocol::rest::GroupApplicationResponse;
use openim_protocol::tip::{Tip, june};
use openim_record::{GroupId, Role, UserId};
use openim_storage::port::{Group, User};

use super::bearer::Bearer;
use super::groups::tell_group;
use crate::bus::GroupRoles;
use crate::driver::Core;
use crate::ops::profile::profile_of;

const SINGLE: i32 = 1;
const GROUP: i32 = 2;

/// Whether the server speaks for this caller; `of_june`: the call itself is of that generation.
pub(super) fn tells(core: &Core, me: &Bearer, of_june: bool) -> bool {
    let known = of_june || me.unit == Some(TimeUnit::Seconds);
    known && !core.settings.wire.may && !me.is_manager(core)
}

/// The code that the call is answered with: its change is made, now its tip is sent.
async fn told(core: &Rc<Core>, me: &Bearer, tip: Tip, to: &str, session_type: i32) -> ErrCode {
    match tell_group(core, tip, me, to, session_type).await {
        // The group has ended: nobody is there to be told.
        Ok(()) | Err(ErrCode::NoPermission) => ErrCode::Ok,
        Err(code) => code,
    }
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

/// 506: the group is described anew.
pub(super) async fn described(
    core: &Rc<Core>,
    me: &Bearer,
    group: &GroupId,
    operation_id: &str,
) -> ErrCode {
    if !tells(core, me, false) {
        return ErrCode::Ok;
    }
    match group_of(core, group).await {
        Ok(Some(now)) => {
            let tip = june::described(&june::Described {
                group_id: group.as_str(),
                name: &now.name,
                notification: &now.notification,
                introduction: &now.introduction,
                face_url: &now.face_url,
                operation_id,
            });
            told(core, me, tip, group.as_str(), GROUP).await
        }
        Ok(None) => ErrCode::Ok,
        Err(code) => code,
    }
}

/// 504: somebody asks to join, which its owner is told.
pub(super) async fn asked(core: &Rc<Core>, me: &Bearer, group: &GroupId, message: &str) -> ErrCode {
    if !tells(core, me, false) {
        return ErrCode::Ok;
    }
    match group_of(core, group).await {
        Ok(Some(Group { owner: Some(owner), .. })) => {
            let tip = june::asked(group.as_str(), me.uid.as_str(), message);
            told(core, me, tip, owner.as_str(), SINGLE).await
        }
        Ok(_) => ErrCode::Ok,
        Err(code) => code,
    }
}

/// 505: the caller has left.
pub(super) async fn quit(
    core: &Rc<Core>,
    me: &Bearer,
    group: &GroupId,
    operation_id: &str,
) -> ErrCode {
    if !tells(core, me, false) {
        return ErrCode::Ok;
    }
    match user_of(core, &me.uid).await {
        Ok(user) => {
            let name = user.as_ref().map_or("", |user| &user.name);
            let tip = june::quit(group.as_str(), name, operation_id);
            told(core, me, tip, group.as_str(), GROUP).await
        }
        Err(code) => code,
    }
}

/// 501: the caller has handed the group over.
pub(super) async fn transferred(
    core: &Rc<Core>,
    me: &Bearer,
    group: &GroupId,
    to: &str,
    operation_id: &str,
) -> ErrCode {
    if !tells(core, me, false) {
        return ErrCode::Ok;
    }
    let tip = june::owner_changed(group.as_str(), me.uid.as_str(), to, operation_id);
    told(core, me, tip, group.as_str(), GROUP).await
}

/// 511 or 512 to the applicant, and 507 to the group that has a new member.
pub(super) async fn answered(
    core: &Rc<Core>,
    me: &Bearer,
    agree: bool,
    asked: &GroupApplicationResponse<'_>,
) -> ErrCode {
    if !tells(core, me, false) {
        return ErrCode::Ok;
    }
    let (group, from) = (GroupId::new(&asked.group_id), UserId::new(&asked.from_user_id));
    let (id, named) = (group.clone(), vec![me.uid.clone()]);
    let own =
        core.query(async move |sources| sources.groups.members_named(&id, &named).await).await;
    let (Ok(own), Ok(applicant)) = (own, user_of(core, &from).await) else {
        return ErrCode::Unavailable;
    };
    let own = own.into_iter().next().flatten();
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
    let code = told(core, me, june::answered(agree, &answered), from.as_str(), SINGLE).await;
    if code != ErrCode::Ok || !agree {
        return code;
    }
    told(core, me, june::agreed(&answered), group.as_str(), GROUP).await
}
