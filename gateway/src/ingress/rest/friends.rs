//! `/friend`: requests, friends, the blacklist (spec, REST 1.8, 7.9). The lists are in `friend_lists`.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::request::valid_uid;
use openim_protocol::rest::{
    self, ListKey, SearchedFriend, get_friends_info_answer, is_friend_answer, search_friend_answer,
    uid_list_answer,
};
use openim_protocol::tip::{self, Tip};
use openim_record::{Draft, UserId};
use openim_storage::port::{Relation, RelationChange, RelationOutcome};

use super::answer::{self, Outcome, unavailable};
use super::bearer::{Denied, Token};
use super::users::profile;
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::{gather_of_profiles, gather_profiles, profile_of, seen_whole};
use crate::ops::tip::{Way, draft, generation, relate};

/// What comes of a change between users of whom one has an id that can be none: they relate to nobody.
fn of_nobody(change: &RelationChange) -> Option<RelationOutcome> {
    use RelationChange as C;
    let (one, other) = match change {
        C::Request { from: one, to: other, .. }
        | C::Answer { from: one, to: other, .. }
        | C::Befriend { owner: one, friend: other, .. }
        | C::Unfriend { owner: one, friend: other }
        | C::Comment { owner: one, friend: other, .. }
        | C::Block { owner: one, peer: other, .. }
        | C::Unblock { owner: one, peer: other } => (one, other),
    };
    let nobody = !valid_uid(one.as_str()) || !valid_uid(other.as_str());
    nobody.then_some(match change {
        C::Unfriend { .. } | C::Comment { .. } | C::Unblock { .. } => RelationOutcome::Done,
        C::Request { .. } | C::Answer { .. } => RelationOutcome::NoRequest,
        C::Befriend { .. } | C::Block { .. } => RelationOutcome::Full,
    })
}

/// Makes a change between users of which nobody is told.
async fn change(core: &Core, change: RelationChange) -> Result<RelationOutcome, Refused> {
    match of_nobody(&change) {
        Some(outcome) => Ok(outcome),
        None => core.change_in_time((change, None)).await,
    }
}

/// Makes a change between users, with which becomes durable what `tip` says of its outcome.
async fn change_and_tell(
    core: &Rc<Core>,
    change: RelationChange,
    tip: impl FnOnce(&RelationOutcome) -> Option<Draft> + Send + 'static,
) -> Result<RelationOutcome, Refused> {
    match of_nobody(&change) {
        Some(outcome) => Ok(outcome),
        None => relate(core, change, tip).await,
    }
}

/// A tip about the request that a change has made or answered. The time of the request names it: sent again, it is the
/// same message.
fn about(
    tip: Tip,
    from: &UserId,
    to: &UserId,
) -> impl FnOnce(&RelationOutcome) -> Option<Draft> + Send + 'static {
    let (from, to) = (from.clone(), to.clone());
    move |outcome| match *outcome {
        RelationOutcome::Requested { create_ms } => {
            let client_msg_id = format!("tip-{}-{create_ms}", tip.content_type);
            Some(draft(&tip, Way::plain(&from, &to, &client_msg_id)))
        }
        _ => None,
    }
}

/// What `owner` holds of `peer`.
async fn relation(core: &Core, owner: &UserId, peer: &UserId) -> Result<Relation, Refused> {
    let (owner, peer) = (owner.clone(), peer.clone());
    let found =
        core.query(async move |sources| sources.relations.relations(&owner, &[peer]).await).await?;
    found.into_iter().next().ok_or(Refused::Unavailable)
}

pub(super) async fn search_friend(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_search_friend(body)?;
    found(core, token, &asked.uid, search_friend_answer).await
}

pub(super) async fn get_friends_info(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_get_friends_info(body)?;
    found(core, token, &asked.uid, get_friends_info_answer).await
}

/// Somebody's profile, with what the bearer holds of them.
async fn found(
    core: &Rc<Core>,
    token: Token<'_>,
    uid: &str,
    write: impl FnOnce(&mut Vec<u8>, &SearchedFriend<'_>),
) -> Outcome {
    let me = token.or(core, ErrCode::ParseToken).await?;
    let peer = UserId::new(uid);
    let user = profile_of(core, &peer).await.map_err(unavailable)?.ok_or(ErrCode::FindUser)?;
    let peers = std::slice::from_ref(&peer);
    let relation = relation(core, &me.uid, &peer).await.map_err(unavailable)?;
    let whole = seen_whole(core, Some(&me.uid), peers).await.map_err(unavailable)?;
    let found = SearchedFriend {
        profile: profile(&user, whole == [true]),
        comment: relation.friend.as_ref().map_or("", |friend| &friend.comment),
        is_friend: relation.friend.is_some(),
        is_in_blacklist: relation.blocked,
    };
    let mut out = Vec::new();
    write(&mut out, &found);
    Ok(answer::json(200, out))
}

pub(super) async fn add_friend(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_add_friend(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let to = UserId::new(&asked.uid);
    if to == me.uid || !asked.fits() {
        return Err(ErrCode::AddFriend.into());
    }
    let both = gather_profiles(core, &[me.uid.clone(), to.clone()]).await;
    let mut both = both.map_err(unavailable)?;
    let (Some(_), Some(applicant)) = (both.pop().flatten(), both.pop().flatten()) else {
        return Err(ErrCode::AddUnknownFriend.into());
    };
    let request = RelationChange::Request {
        from: me.uid.clone(),
        to: to.clone(),
        message: asked.req_message.into_owned(),
        now_ms: core.now().unix_ms(),
    };
    let tip = about(tip::friend_request(generation(core), &applicant.name), &me.uid, &to);
    match change_and_tell(core, request, tip).await.map_err(unavailable)? {
        RelationOutcome::Requested { .. } => Ok(answer::plain(ErrCode::Ok)),
        // One of them was deleted meanwhile.
        RelationOutcome::NoRequest => Err(ErrCode::AddUnknownFriend.into()),
        _ => Err(ErrCode::AddFriend.into()),
    }
}

pub(super) async fn add_friend_response(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_add_friend_response(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let from = UserId::new(&asked.uid);
    let flag = asked.flag;
    let response = RelationChange::Answer {
        from: from.clone(),
        to: me.uid.clone(),
        flag,
        now_ms: core.now().unix_ms(),
    };
    let user = profile_of(core, &me.uid).await.map_err(unavailable)?;
    // Who has no name cannot be named.
    let tip = user.and_then(|user| match flag {
        1 => Some(tip::friend_agreement(generation(core), &user.name)),
        _ => tip::friend_refusal(generation(core), &user.name),
    });
    let outcome = match tip {
        Some(tip) => change_and_tell(core, response, about(tip, &me.uid, &from)).await,
        None => change(core, response).await,
    };
    match outcome.map_err(|_| ErrCode::Database)? {
        RelationOutcome::Requested { .. } => Ok(answer::plain(ErrCode::Ok)),
        RelationOutcome::NoRequest => Err(ErrCode::AgreeFriend.into()),
        _ => Err(ErrCode::AddFriend.into()),
    }
}

pub(super) async fn delete_friend(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_delete_friend(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let unfriend = RelationChange::Unfriend { owner: me.uid, friend: UserId::new(&asked.uid) };
    done(change(core, unfriend).await, ErrCode::Database)
}

pub(super) async fn set_friend_comment(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_set_friend_comment(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    if !asked.fits() {
        return Err(ErrCode::SetFriendComment.into());
    }
    let comment = RelationChange::Comment {
        owner: me.uid,
        friend: UserId::new(&asked.uid),
        comment: asked.comment.into_owned(),
    };
    done(change(core, comment).await, ErrCode::SetFriendComment)
}

pub(super) async fn add_blacklist(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_add_blacklist(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let for_another = !asked.owner_uid.is_empty() && me.is_manager(core);
    let owner = if for_another { UserId::new(&asked.owner_uid) } else { me.uid };
    let block = RelationChange::Block {
        owner,
        peer: UserId::new(&asked.uid),
        now_ms: core.now().unix_ms(),
    };
    done(change(core, block).await, ErrCode::Database)
}

pub(super) async fn remove_blacklist(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_remove_blacklist(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let unblock = RelationChange::Unblock { owner: me.uid, peer: UserId::new(&asked.uid) };
    done(change(core, unblock).await, ErrCode::Database)
}

fn done(outcome: Result<RelationOutcome, Refused>, failed: ErrCode) -> Outcome {
    match outcome {
        Ok(RelationOutcome::Done) => Ok(answer::plain(ErrCode::Ok)),
        _ => Err(failed.into()),
    }
}

pub(super) async fn is_friend(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_is_friend(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let relation = relation(core, &me.uid, &UserId::new(&asked.receive_uid)).await;
    let mut out = Vec::new();
    is_friend_answer(&mut out, relation.map_err(unavailable)?.friend.is_some());
    Ok(answer::json(200, out))
}

/// A manager makes users friends of one other (spec, REST 7.9).
pub(super) async fn import_friend(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_import_friend(body, core.settings.ids_per_call_max)?;
    let all = |code: ErrCode, text: &str| {
        let mut out = Vec::new();
        // Its own code for every refusal; the list is what was not done.
        uid_list_answer(&mut out, ListKey::FailedUidList, &asked.uid_list, code, text);
        Err(answer::json(200, out).into())
    };
    match token.bearer(core).await {
        Ok(me) if me.is_manager(core) => {}
        Ok(_) => return all(ErrCode::AddFriend, ErrCode::NotManager.text()),
        Err(Denied::Unavailable) => return Err(ErrCode::Unavailable.into()),
        Err(Denied::Token(_)) => return all(ErrCode::AddFriend, ErrCode::ParseToken.text()),
    }
    let owner = UserId::new(&asked.owner_uid);
    if profile_of(core, &owner).await.map_err(unavailable)?.is_none() {
        return all(ErrCode::ImportForUnknown, ErrCode::ImportForUnknown.text());
    }
    let uids: Vec<UserId> = asked.uid_list.iter().map(|uid| UserId::new(uid)).collect();
    let known = gather_of_profiles(core, &uids, drop).await.map_err(unavailable)?;
    let mut failed = Vec::new();
    for (friend, user) in uids.iter().zip(known) {
        if user.is_none() || !import_one(core, &owner, friend).await {
            failed.push(friend.as_str());
        }
    }
    let code = if failed.is_empty() { ErrCode::Ok } else { ErrCode::ImportPartly };
    let mut out = Vec::new();
    uid_list_answer(&mut out, ListKey::FailedUidList, &failed, code, code.text());
    Ok(answer::json(200, out))
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
    let tip = tip::friend_imported(generation(core));
    let client_msg_id = format!("tip-{}-{}", tip.content_type, core.keys.next_id());
    let tip = draft(&tip, Way::plain(friend, owner, &client_msg_id));
    let tip = |outcome: &RelationOutcome| {
        (*outcome == RelationOutcome::Befriended { new: true }).then_some(tip)
    };
    matches!(change_and_tell(core, befriend, tip).await, Ok(RelationOutcome::Befriended { .. }))
}
