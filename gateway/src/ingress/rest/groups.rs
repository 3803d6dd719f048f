//! `/group`: making, changing, joining and leaving groups (spec, REST 7.4, 7.13). Reading them is in
//! `group_lists`.
//!
//! The rules are kept at the group's home ([`crate::ops`]); here bodies become operations and outcomes
//! become codes.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::request::{UID_CHARS_MAX, valid_uid};
use openim_protocol::rest::{self, IdResult, ListKey, ListWriter, create_group_answer, list_error};
use openim_protocol::tip;
use openim_protocol::tip::Tip;
use openim_record::{GroupId, Role, UserId};
use openim_storage::port::{
    Added, By, Group, GroupChange, GroupChanged, GroupOutcome, GroupRefused, GroupRequest, Member,
    User,
};

use super::answer::{self, Outcome, Refusal, Response, unavailable};
use super::bearer::{Bearer, Token};
use super::june;
use crate::bus::{
    ApplyToGroup, CreateGroup, DescribeGroup, GroupRoles, HandleApplication, InviteToGroup,
    KickFromGroup, QuitGroup, Refused, Telling, TransferGroup,
};
use crate::driver::Core;
use crate::ops::profile::{gather_of_profiles, profile_of};
use crate::ops::tip::{Said, Speaker, telling};

const NAME_DEFAULT: &str = "groupChat";
/// What a tip to a group has besides its content.
const BESIDES_BYTES: usize = 1_024;
/// `toUserID` of somebody who asks for themselves.
const HIMSELF: &str = "0";

/// What a group's refusal is answered with; where it could not be asked, that.
pub(super) fn group_code(why: &Refused, refused: ErrCode) -> ErrCode {
    match why {
        Refused::Group(_) => refused,
        _ => ErrCode::Unavailable,
    }
}

fn ordinary(user: User, join_ms: i64) -> Member {
    Member {
        uid: user.uid,
        role: Role::Ordinary,
        nickname: user.name,
        face_url: user.icon,
        join_ms,
    }
}

pub(super) async fn create_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_create_group(body, core.settings.ids_per_call_max)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    if !asked.fits() {
        return Err(ErrCode::CreateGroup.into());
    }
    let trusted = me.is_manager(core);
    let members = first_members(core, &me, trusted, &asked).await.ok_or(ErrCode::CreateGroup)?;
    let id = fresh_id().map_err(|_| ErrCode::CreateGroup)?;
    let told = june::tells(core, &me, asked.group_name.is_empty() && !asked.name.is_empty());
    let name = [&*asked.group_name, &*asked.name].into_iter().find(|name| !name.is_empty());
    let name = name.unwrap_or(NAME_DEFAULT);
    let group = Group {
        id: id.clone(),
        name: name.to_owned(),
        introduction: asked.introduction.into_owned(),
        notification: asked.notification.into_owned(),
        face_url: asked.face_url.into_owned(),
        ex: asked.ex.into_owned(),
        create_ms: core.now().unix_ms(),
        owner: None,
        members: 0,
        version: 0,
    };
    let tip = match trusted {
        true => Some(tip::group_created(id.as_str(), name)),
        false => told.then(|| tip::june::created(id.as_str(), name)),
    };
    let telling = tip.map(|tip| {
        let said = Said::to_group(&id, tip);
        tells(core, &me, |_| vec![said])
    });
    core.at_home(CreateGroup { group: id.clone(), row: Box::new(group), members, telling })
        .await
        .map_err(|why| group_code(&why, ErrCode::CreateGroup))?;
    let mut out = Vec::new();
    create_group_answer(&mut out, id.as_str());
    Ok(answer::json(200, out))
}

/// The members a group begins with; `None` where it would have no owner, or the users cannot be read.
///
/// An ordinary caller owns the group and may name administrators; a manager is no member and names the
/// owner. Unknown users are left out.
async fn first_members(
    core: &Rc<Core>,
    me: &Bearer,
    trusted: bool,
    asked: &rest::CreateGroup<'_>,
) -> Option<Vec<Member>> {
    let listed = asked.member_list.iter().map(|listed| UserId::new(&listed.uid));
    let uids: Vec<UserId> = std::iter::once(me.uid.clone()).chain(listed).collect();
    let now_ms = core.now().unix_ms();
    let joins = |user: Box<User>| ordinary(*user, now_ms);
    let mut users = gather_of_profiles(core, &uids, joins).await.ok()?.into_iter();
    let caller = users.next()?;
    let mut members = Vec::with_capacity(uids.len());
    let mut owned = !trusted;
    if !trusted {
        members.push(Member { role: Role::Owner, ..caller? });
    }
    for (listed, user) in asked.member_list.iter().zip(users) {
        let Some(user) = user else { continue };
        let role = match Role::from_number(listed.set_role) {
            Some(Role::Owner) if !owned => {
                owned = true;
                Role::Owner
            }
            Some(Role::Administrator) => Role::Administrator,
            _ => Role::Ordinary,
        };
        members.push(Member { role, ..user });
    }
    // An owner who is listed before with another role would join with that one.
    let owner = members.iter().find(|member| member.role == Role::Owner)?;
    let first = members.iter().find(|member| member.uid == owner.uid)?;
    (first.role == Role::Owner).then_some(members)
}

/// 32 hexadecimal digits that nobody can guess.
fn fresh_id() -> Result<GroupId, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(GroupId::new(&format!("{:032x}", u128::from_le_bytes(bytes))))
}

/// What `said` says of a change of a group when it is made, in the name of the bearer.
pub(super) fn tells(
    core: &Core,
    me: &Bearer,
    said: impl FnOnce(&GroupChanged) -> Vec<Said> + Send + 'static,
) -> Telling {
    // Whom a client of June removes is told in person only, as then.
    let to_removed = me.is_manager(core);
    telling(core, &Speaker { uid: &me.uid, after_ns: me.after_ns, to_removed }, said)
}

/// Tells a group of many: by several tips, each of a part of them, where one would be more than the log takes as a record.
fn tips_of<T>(many: &[T], bytes_max: usize, tip: impl Fn(&[T]) -> Tip) -> Vec<Tip> {
    let mut parts = vec![many];
    let mut tips = Vec::new();
    while let Some(part) = parts.pop() {
        let tip = tip(part);
        // Who gets it without being a member is named once more.
        if 2 * tip.content.len() + BESIDES_BYTES < bytes_max {
            tips.push(tip);
        } else if part.len() > 1 {
            let (first, rest) = part.split_at(part.len() / 2);
            parts.extend([rest, first]);
        } else {
            // Nobody has an id or a name of that length.
            tracing::debug!(bytes = tip.content.len(), "a tip is more than a record");
        }
    }
    tips
}

pub(super) async fn set_group_info(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_set_group_info(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    if !asked.fits() {
        return Err(ErrCode::SetGroupInfo.into());
    }
    let given = |text: std::borrow::Cow<'_, str>| (!text.is_empty()).then(|| text.into_owned());
    let group = GroupId::new(&asked.group_id);
    let texts = [asked.group_name, asked.introduction, asked.notification, asked.face_url];
    let texts = texts.map(given);
    let telling = june::described(core, &me, &group, &texts, &asked.operation_id).await?;
    let [name, introduction, notification, face_url] = texts;
    let by = me.uid.clone();
    let change = GroupChange::Describe {
        group: group.clone(),
        by,
        name,
        introduction,
        notification,
        face_url,
    };
    let describe = DescribeGroup { group, change: Box::new(change), telling };
    core.at_home(describe).await.map_err(|why| match why {
        Refused::Group(GroupRefused::NoPermission) => {
            answer::error(ErrCode::SetGroupInfo, ErrCode::NoPermission.text()).into()
        }
        _ => Refusal::from(group_code(&why, ErrCode::SetGroupInfo)),
    })?;
    Ok(answer::plain(ErrCode::Ok))
}

pub(super) async fn join_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_join_group(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let user = profile_of(core, &me.uid).await.map_err(unavailable)?.ok_or(ErrCode::FindUser)?;
    if !asked.fits() {
        return Err(ErrCode::JoinGroup.into());
    }
    let group = GroupId::new(&asked.group_id);
    let request = GroupRequest {
        id: 0,
        group: group.clone(),
        from: me.uid.clone(),
        to: HIMSELF.to_owned(),
        flag: 0,
        request_message: asked.message.clone().into_owned(),
        handled_message: String::new(),
        create_ms: core.now().unix_ms(),
        from_nickname: user.name.clone(),
        to_nickname: String::new(),
        from_face_url: user.icon.clone(),
        to_face_url: String::new(),
        handled_by: String::new(),
    };
    let telling = june::asked(core, &me, &group, &asked.message).await?;
    core.at_home(ApplyToGroup { group, request: Box::new(request), telling })
        .await
        .map_err(|why| group_code(&why, ErrCode::JoinGroup))?;
    Ok(answer::plain(ErrCode::Ok))
}

pub(super) async fn quit_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_quit_group(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let group = GroupId::new(&asked.group_id);
    let telling = june::quit(core, &me, &group, &asked.operation_id).await?;
    core.at_home(QuitGroup { group, user: me.uid.clone(), telling })
        .await
        .map_err(|why| group_code(&why, ErrCode::QuitGroup))?;
    Ok(answer::plain(ErrCode::Ok))
}

pub(super) async fn transfer_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_transfer_group(body)?;
    let me = token.or(core, ErrCode::ChatToken).await?;
    let (group, to) = (GroupId::new(&asked.group_id), UserId::new(&asked.uid));
    let oneself = to == me.uid;
    if profile_of(core, &to).await.map_err(unavailable)?.is_none() && !oneself {
        // A deleted user can be a member still, and could not lead.
        return Err(transfer_to_nobody(core, &group, &me).await.into());
    }
    let telling = june::transferred(core, &me, &group, &to, &asked.operation_id);
    let transfer = TransferGroup { group, by: me.uid.clone(), to, telling };
    core.at_home(transfer).await.map_err(|why| match why {
        Refused::Group(GroupRefused::Stranger) if oneself => ErrCode::TransferToSelf,
        Refused::Group(GroupRefused::Stranger) => ErrCode::TransferToStranger,
        _ => group_code(&why, ErrCode::NoPermission),
    })?;
    Ok(answer::plain(ErrCode::Ok))
}

/// As to somebody who is no member: who does not own the group learns no more than that.
async fn transfer_to_nobody(core: &Rc<Core>, group: &GroupId, me: &Bearer) -> ErrCode {
    let roles = GroupRoles { group: group.clone(), users: vec![me.uid.clone()] };
    match core.at_home(roles).await {
        Ok(roles) if roles == [Some(Role::Owner)] => ErrCode::TransferToStranger,
        Ok(_) => ErrCode::NoPermission,
        Err(why) => group_code(&why, ErrCode::NoPermission),
    }
}

pub(super) async fn group_application_response(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let asked = rest::decode_group_application_response(body)?;
    let me = token.or(core, ErrCode::ChatToken).await?;
    let agree = match asked.handle_result {
        0 => false,
        1 => true,
        _ => return Err(ErrCode::AnswerApplication.into()),
    };
    if !asked.fits() {
        return Err(ErrCode::AnswerApplication.into());
    }
    let group = GroupId::new(&asked.group_id);
    let from = UserId::new(&asked.from_user_id);
    // Who is gone cannot be let in.
    if profile_of(core, &from).await.map_err(unavailable)?.is_none() && agree {
        return Err(ErrCode::AnswerApplication.into());
    }
    let telling = june::answered(core, &me, agree, &asked).await?;
    let handle = HandleApplication {
        group,
        by: me.uid.clone(),
        from,
        to: asked.to_user_id.clone().into_owned(),
        agree,
        message: asked.handled_msg.clone().into_owned(),
        now_ms: core.now().unix_ms(),
        telling,
    };
    core.at_home(handle).await.map_err(|why| group_code(&why, ErrCode::AnswerApplication))?;
    Ok(answer::plain(ErrCode::Ok))
}

pub(super) async fn invite_user_to_group(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let asked = rest::decode_invite_user_to_group(body, core.settings.ids_per_call_max)?;
    let me = token.or_no_list(core).await?;
    let trusted = me.is_manager(core);
    let uids: Vec<UserId> = asked.uid_list.iter().map(|uid| UserId::new(uid)).collect();
    let now_ms = core.now().unix_ms();
    let joins = |user: Box<User>| ordinary(*user, now_ms);
    let users = gather_of_profiles(core, &uids, joins).await;
    let users = users.map_err(|_| no_list(ErrCode::Unavailable))?;
    let members: Vec<Member> = users.iter().flatten().cloned().collect();
    let group = GroupId::new(&asked.group_id);
    let telling = match trusted || june::tells(core, &me, false) {
        true => Some(invited(core, &me, &asked, &members).await),
        false => None,
    };
    let by = By { uid: me.uid.clone(), trusted };
    let joined = core.at_home(InviteToGroup { group, by, members, telling }).await;
    let mut of_known = joined.map_err(no_permission)?.into_iter();
    let results: Vec<bool> =
        users.iter().map(|user| user.is_some() && of_known.next().unwrap_or(false)).collect();
    Ok(results_answer(&asked.uid_list, &results, "ok"))
}

/// What tells a group of those who are let in.
async fn invited(
    core: &Rc<Core>,
    me: &Bearer,
    asked: &rest::InviteUserToGroup<'_>,
    members: &[Member],
) -> Telling {
    let manager = profile_of(core, &me.uid).await.ok().flatten();
    let manager_name = manager.map_or_else(String::new, |user| user.name.clone());
    let write = if me.is_manager(core) { tip::group_invited } else { tip::june::invited };
    let (group, bytes_max) = (GroupId::new(&asked.group_id), core.settings.send_bytes_max);
    let (reason, operation_id) = (asked.reason.to_string(), asked.operation_id.to_string());
    let named = |member: &Member| (member.uid.clone(), member.nickname.clone());
    let members: Vec<(UserId, String)> = members.iter().map(named).collect();
    let said = move |changed: &GroupChanged| {
        let GroupOutcome::Added(outcomes) = &changed.outcome else { return Vec::new() };
        let joined = members.iter().zip(outcomes).filter(|(_, added)| **added == Added::Joined);
        let joined: Vec<&(UserId, String)> = joined.map(|(member, _)| member).collect();
        if joined.is_empty() {
            return Vec::new();
        }
        let tips = tips_of(&joined, bytes_max, |joined| {
            let uids: Vec<&str> = joined.iter().map(|(uid, _)| uid.as_str()).collect();
            let names: Vec<&str> = joined.iter().map(|(_, name)| &**name).collect();
            write(&tip::Invited {
                group_id: group.as_str(),
                uids: &uids,
                names: &names,
                reason: &reason,
                manager_name: &manager_name,
                operation_id: &operation_id,
            })
        });
        tips.into_iter().map(|tip| Said::to_group(&group, tip)).collect()
    };
    tells(core, me, said)
}

pub(super) async fn kick_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_kick_group(body, core.settings.ids_per_call_max)?;
    let me = token.or_no_list(core).await?;
    if asked.uid_list_info.is_empty() {
        return Err(no_list(ErrCode::ParamFailed));
    }
    let trusted = me.is_manager(core);
    let group = GroupId::new(&asked.group_id);
    let users: Vec<UserId> =
        asked.uid_list_info.iter().map(|listed| UserId::new(&listed.user_id)).collect();
    let told = june::tells(core, &me, asked.of_june);
    // Whoever was no member is told nothing.
    let telling = match (trusted, told) {
        (true, _) => Some(kicked(core, &me, &asked, vec![true; users.len()])),
        (false, true) => Some(kicked(core, &me, &asked, june::members(core, &group, &users).await)),
        (false, false) => None,
    };
    let by = By { uid: me.uid.clone(), trusted };
    let gone = core.at_home(KickFromGroup { group, by, users, telling }).await;
    let gone = gone.map_err(no_permission)?;
    let uids: Vec<&str> = asked.uid_list_info.iter().map(|listed| &*listed.user_id).collect();
    Ok(results_answer(&uids, &gone, ""))
}

/// What tells of removed members, of those who are `concerned`: to the group, and to each of them a tip that names nobody
/// else, or a long list would be stored once for each of them.
fn kicked(
    core: &Rc<Core>,
    me: &Bearer,
    asked: &rest::KickGroup<'_>,
    concerned: Vec<bool>,
) -> Telling {
    let (group, bytes_max) = (GroupId::new(&asked.group_id), core.settings.send_bytes_max);
    let (reason, operation_id) = (asked.reason.to_string(), asked.operation_id.to_string());
    let users: Vec<UserId> =
        asked.uid_list_info.iter().map(|listed| UserId::new(&listed.user_id)).collect();
    let managed = me.is_manager(core);
    let said = move |changed: &GroupChanged| {
        let GroupOutcome::Removed(outcomes) = &changed.outcome else { return Vec::new() };
        let gone = users.iter().zip(outcomes).zip(&concerned);
        // Nobody has an id of another length, and one that is as long as a body takes long to write down.
        let possible = |uid: &UserId| uid.as_str().len() <= UID_CHARS_MAX * size_of::<char>();
        let gone = gone.filter(|((uid, gone), concerned)| **gone && **concerned && possible(uid));
        let gone: Vec<&UserId> = gone.map(|((uid, _), _)| uid).collect();
        if gone.is_empty() {
            return Vec::new();
        }
        let tip = |users: &[&UserId]| {
            let uids: Vec<&str> = users.iter().map(|uid| uid.as_str()).collect();
            match managed {
                true => tip::group_kicked(group.as_str(), &uids, &operation_id),
                false => tip::june::kicked(group.as_str(), &uids, &reason, &operation_id),
            }
        };
        let tips = tips_of(&gone, bytes_max, tip);
        let to_group = tips.into_iter().map(|tip| Said::to_group(&group, tip));
        let in_person = gone.iter().filter(|uid| valid_uid(uid.as_str()));
        to_group.chain(in_person.map(|uid| Said::to_user(uid, tip(&[uid])))).collect()
    };
    tells(core, me, said)
}

fn no_permission(why: Refused) -> Refusal {
    no_list(group_code(&why, ErrCode::NoPermission))
}

/// `[{"uid":…,"result":…}…]`
fn results_answer<T: AsRef<str>>(uids: &[T], results: &[bool], text: &str) -> Response {
    let mut out = Vec::new();
    let mut list = ListWriter::begin(&mut out, ListKey::Data);
    for (uid, &done) in uids.iter().zip(results) {
        list.element(&mut out, &IdResult { uid: uid.as_ref(), done });
    }
    list.end(&mut out, ErrCode::Ok, text);
    answer::json(200, out)
}

/// A refusal of a route whose answer is a list.
pub(super) fn no_list(code: ErrCode) -> Refusal {
    let mut out = Vec::new();
    list_error(&mut out, ListKey::Data, code, code.text());
    answer::json(code.http_status(), out).into()
}
