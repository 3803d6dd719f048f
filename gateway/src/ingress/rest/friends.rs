//! `/friend`: requests, friends, the blacklist (spec, REST 1.8, 7.9). The lists are in `friend_lists`.

use std::rc::Rc;

use hyper::Response;
use openim_protocol::errcode::ErrCode;
use openim_protocol::request::valid_uid;
use openim_protocol::rest::{
    self, ListKey, SearchedFriend, get_friends_info_answer, is_friend_answer, search_friend_answer,
    uid_list_answer,
};
use openim_protocol::tip::{self, Tip};
use openim_record::UserId;
use openim_storage::port::{Relation, RelationChange, RelationOutcome};
use openim_workers::Wrote;
use openim_workers::writes::Write;

use super::answer::{self, Answer};
use super::bearer::{Bearer, Denied, bearer};
use super::users::profile;
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::{gather_of_profiles, gather_profiles, profile_of, seen_whole};
use crate::ops::tip::{Way, generation, tell};

/// The bearer, or the answer that says that there is none.
pub(super) async fn me(core: &Rc<Core>, token: &str) -> Result<Bearer, Response<Answer>> {
    bearer(core, token).await.map_err(|denied| match denied {
        Denied::Token(_) => answer::refused(ErrCode::ParseToken),
        Denied::Unavailable => answer::refused(ErrCode::Unavailable),
    })
}

/// Reads a body and finds its bearer, in this order, or answers why not.
macro_rules! asked {
    ($core:ident, $token:ident, $read:expr) => {{
        let asked = match $read {
            Ok(asked) => asked,
            Err(error) => return answer::bind(&error),
        };
        match me($core, $token).await {
            Ok(me) => (asked, me),
            Err(answer) => return answer,
        }
    }};
}
pub(super) use asked;

/// Makes a change between users whose ids can be ids: others relate to nobody.
async fn change(core: &Core, change: RelationChange) -> Result<RelationOutcome, Refused> {
    use RelationChange as C;
    let (one, other) = match &change {
        C::Request { from: one, to: other, .. }
        | C::Answer { from: one, to: other, .. }
        | C::Befriend { owner: one, friend: other, .. }
        | C::Unfriend { owner: one, friend: other }
        | C::Comment { owner: one, friend: other, .. }
        | C::Block { owner: one, peer: other, .. }
        | C::Unblock { owner: one, peer: other } => (one, other),
    };
    if !valid_uid(one.as_str()) || !valid_uid(other.as_str()) {
        return Ok(match change {
            C::Unfriend { .. } | C::Comment { .. } | C::Unblock { .. } => RelationOutcome::Done,
            C::Request { .. } | C::Answer { .. } => RelationOutcome::NoRequest,
            C::Befriend { .. } | C::Block { .. } => RelationOutcome::Full,
        });
    }
    match core.change(|ticket| Write::Relation(ticket, change)).await? {
        Wrote::Relation(outcome) => Ok(outcome),
        _ => Err(Refused::Unavailable),
    }
}

/// What `owner` holds of `peer`.
async fn relation(core: &Core, owner: &UserId, peer: &UserId) -> Result<Relation, Refused> {
    let (owner, peer) = (owner.clone(), peer.clone());
    let found = core.query(move |sources| sources.relations.relations(&owner, &[peer])).await?;
    found.into_iter().next().ok_or(Refused::Unavailable)
}

pub(super) async fn search_friend(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
    with_relation: bool,
) -> Response<Answer> {
    let read = match with_relation {
        true => rest::decode_search_friend(body),
        false => rest::decode_get_friends_info(body),
    };
    let (asked, me) = asked!(core, token, read);
    let peer = UserId::new(&asked.uid);
    let user = match profile_of(core, &peer).await {
        Ok(Some(user)) => user,
        Ok(None) => return answer::refused(ErrCode::FindUser),
        Err(_) => return answer::refused(ErrCode::Unavailable),
    };
    let peers = std::slice::from_ref(&peer);
    let (Ok(relation), Ok(whole)) =
        (relation(core, &me.uid, &peer).await, seen_whole(core, Some(&me.uid), peers).await)
    else {
        return answer::refused(ErrCode::Unavailable);
    };
    let found = SearchedFriend {
        profile: profile(&user, whole == [true]),
        comment: relation.friend.as_ref().map_or("", |friend| &friend.comment),
        is_friend: relation.friend.is_some(),
        is_in_blacklist: relation.blocked,
    };
    let mut out = Vec::new();
    match with_relation {
        true => search_friend_answer(&mut out, &found),
        false => get_friends_info_answer(&mut out, &found),
    }
    answer::json(200, out)
}

pub(super) async fn add_friend(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_add_friend(body));
    let to = UserId::new(&asked.uid);
    if to == me.uid || !asked.fits() {
        return answer::refused(ErrCode::AddFriend);
    }
    let applicant = match gather_profiles(core, &[me.uid.clone(), to.clone()]).await {
        Ok(mut found) => match (found.pop().flatten(), found.pop().flatten()) {
            (Some(_), Some(applicant)) => applicant,
            _ => return answer::refused(ErrCode::AddUnknownFriend),
        },
        Err(_) => return answer::refused(ErrCode::Unavailable),
    };
    let request = RelationChange::Request {
        from: me.uid.clone(),
        to: to.clone(),
        message: asked.req_message.into_owned(),
        now_ms: core.now().unix_ms(),
    };
    match change(core, request).await {
        Ok(RelationOutcome::Requested { create_ms }) => {
            let tip = tip::friend_request(generation(core), &applicant.name);
            tell_friend(core, tip, &me.uid, &to, create_ms).await
        }
        Ok(_) => answer::refused(ErrCode::AddFriend),
        Err(_) => answer::refused(ErrCode::Unavailable),
    }
}

pub(super) async fn add_friend_response(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_add_friend_response(body));
    let from = UserId::new(&asked.uid);
    let flag = asked.flag;
    let response = RelationChange::Answer {
        from: from.clone(),
        to: me.uid.clone(),
        flag,
        now_ms: core.now().unix_ms(),
    };
    let create_ms = match change(core, response).await {
        Ok(RelationOutcome::Requested { create_ms }) => create_ms,
        Ok(RelationOutcome::NoRequest) => return answer::refused(ErrCode::AgreeFriend),
        Ok(_) => return answer::refused(ErrCode::AddFriend),
        Err(_) => return answer::refused(ErrCode::Database),
    };
    let user = match profile_of(core, &me.uid).await {
        Ok(Some(user)) => user,
        // Who has no name cannot be named.
        Ok(None) => return answer::refused(ErrCode::Ok),
        Err(_) => return answer::refused(ErrCode::Unavailable),
    };
    let tip = match flag {
        1 => Some(tip::friend_agreement(generation(core), &user.name)),
        _ => tip::friend_refusal(generation(core), &user.name),
    };
    match tip {
        Some(tip) => tell_friend(core, tip, &me.uid, &from, create_ms).await,
        None => answer::refused(ErrCode::Ok),
    }
}

/// Sends a tip about the request that was made at `create_ms`: sent again, it is the same message.
async fn tell_friend(
    core: &Rc<Core>,
    tip: Tip,
    from: &UserId,
    to: &UserId,
    create_ms: i64,
) -> Response<Answer> {
    let client_msg_id = format!("tip-{}-{create_ms}", tip.content_type);
    let way = Way {
        sender_sync: true,
        to_removed: true,
        from: from.as_str(),
        to: to.as_str(),
        session_type: 1,
        client_msg_id: &client_msg_id,
        sender: None,
    };
    match tell(core, tip, way).await {
        Ok(()) => answer::refused(ErrCode::Ok),
        Err(code) => answer::refused(code),
    }
}

pub(super) async fn delete_friend(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_delete_friend(body));
    let unfriend = RelationChange::Unfriend { owner: me.uid, friend: UserId::new(&asked.uid) };
    done(change(core, unfriend).await, ErrCode::Database)
}

pub(super) async fn set_friend_comment(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_set_friend_comment(body));
    if !asked.fits() {
        return answer::refused(ErrCode::SetFriendComment);
    }
    let comment = RelationChange::Comment {
        owner: me.uid,
        friend: UserId::new(&asked.uid),
        comment: asked.comment.into_owned(),
    };
    done(change(core, comment).await, ErrCode::SetFriendComment)
}

pub(super) async fn add_blacklist(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_add_blacklist(body));
    let for_another = !asked.owner_uid.is_empty() && me.is_manager(core);
    let owner = if for_another { UserId::new(&asked.owner_uid) } else { me.uid };
    let block = RelationChange::Block {
        owner,
        peer: UserId::new(&asked.uid),
        now_ms: core.now().unix_ms(),
    };
    done(change(core, block).await, ErrCode::Database)
}

pub(super) async fn remove_blacklist(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_remove_blacklist(body));
    let unblock = RelationChange::Unblock { owner: me.uid, peer: UserId::new(&asked.uid) };
    done(change(core, unblock).await, ErrCode::Database)
}

fn done(outcome: Result<RelationOutcome, Refused>, failed: ErrCode) -> Response<Answer> {
    match outcome {
        Ok(RelationOutcome::Done) => answer::refused(ErrCode::Ok),
        _ => answer::refused(failed),
    }
}

pub(super) async fn is_friend(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_is_friend(body));
    match relation(core, &me.uid, &UserId::new(&asked.receive_uid)).await {
        Ok(relation) => {
            let mut out = Vec::new();
            is_friend_answer(&mut out, relation.friend.is_some());
            answer::json(200, out)
        }
        Err(_) => answer::refused(ErrCode::Unavailable),
    }
}

/// A manager makes users friends of one other (spec, REST 7.9).
pub(super) async fn import_friend(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_import_friend(body, core.settings.ids_per_call_max) {
        Ok(asked) => asked,
        Err(error) => return answer::bind(&error),
    };
    let all = |code: ErrCode, text: &str| {
        let mut out = Vec::new();
        // Its own code for every refusal; the list is what was not done.
        uid_list_answer(&mut out, ListKey::FailedUidList, &asked.uid_list, code, text);
        answer::json(200, out)
    };
    match bearer(core, token).await {
        Ok(me) if me.is_manager(core) => {}
        Ok(_) => return all(ErrCode::AddFriend, ErrCode::NotManager.text()),
        Err(Denied::Unavailable) => return answer::refused(ErrCode::Unavailable),
        Err(_) => return all(ErrCode::AddFriend, ErrCode::ParseToken.text()),
    }
    let owner = UserId::new(&asked.owner_uid);
    match profile_of(core, &owner).await {
        Ok(Some(_)) => {}
        Ok(None) => return all(ErrCode::ImportForUnknown, ErrCode::ImportForUnknown.text()),
        Err(_) => return answer::refused(ErrCode::Unavailable),
    }
    let uids: Vec<UserId> = asked.uid_list.iter().map(|uid| UserId::new(uid)).collect();
    let Ok(known) = gather_of_profiles(core, &uids, drop).await else {
        return answer::refused(ErrCode::Unavailable);
    };
    let mut failed = Vec::new();
    for (friend, user) in uids.iter().zip(known) {
        if user.is_none() || !import_one(core, &owner, friend).await {
            failed.push(friend.as_str());
        }
    }
    let code = if failed.is_empty() { ErrCode::Ok } else { ErrCode::ImportPartly };
    let mut out = Vec::new();
    uid_list_answer(&mut out, ListKey::FailedUidList, &failed, code, code.text());
    answer::json(200, out)
}

/// Makes two users friends and, where that is new, tells the owner so.
async fn import_one(core: &Rc<Core>, owner: &UserId, friend: &UserId) -> bool {
    if owner == friend {
        return false;
    }
    let befriend = RelationChange::Befriend {
        owner: owner.clone(),
        friend: friend.clone(),
        now_ms: core.now().unix_ms(),
    };
    match change(core, befriend).await {
        Ok(RelationOutcome::Befriended { new: true }) => {
            let tip = tip::friend_imported(generation(core));
            let client_msg_id = format!("tip-{}-{}", tip.content_type, core.next_jti());
            let way = Way {
                sender_sync: true,
                to_removed: true,
                from: friend.as_str(),
                to: owner.as_str(),
                session_type: 1,
                client_msg_id: &client_msg_id,
                sender: None,
            };
            tell(core, tip, way).await.is_ok()
        }
        Ok(RelationOutcome::Befriended { new: false }) => true,
        _ => false,
    }
}
