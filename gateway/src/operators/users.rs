//! What the console shows of users: found by uid or name, and one with links, inbox, friends and groups.
//!
//! Everything is read through the ports, a page at a time, and at the user's home. Never: a token, or the content of a message.

use std::rc::Rc;

use openim_protocol::reply::TimeUnit;
use openim_record::{GroupId, UserId};
use openim_storage::port::StoreError;
use openim_workers::reads::Sources;
use serde_json::{Value, json};

use super::asking::Asking;
use super::serve::{Refusal, needed};
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::{gather_presence, profile_of};
use crate::query::Query;

/// Users that one answer has.
const FOUND_MAX: usize = 50;
/// Users looked at for one answer, and at once.
const LOOKED_AT_MAX: usize = 8 * LOOKED_AT_ONCE;
const LOOKED_AT_ONCE: usize = 1024;
/// Friends and groups in one answer.
const PAGE: usize = 50;

/// Users whose uid or name begins with a text: the one with that uid first, then as the engine has them, from `after` on. `next`
/// says where to go on.
pub(super) async fn find(asking: &Asking, asked: &Query) -> Result<Value, Refusal> {
    let (text, after) = (asked.text("find").to_owned(), asked.text("after").to_owned());
    asking.at(0, async move |core| find_here(&core, &text, &after).await).await?.map_err(Into::into)
}

async fn find_here(core: &Rc<Core>, text: &str, after: &str) -> Result<Value, Refused> {
    let mut found: Vec<(UserId, String, i64)> = Vec::new();
    let mut next = (!after.is_empty()).then(|| UserId::new(after));
    if next.is_none() && !text.is_empty() {
        let user = profile_of(core, &UserId::new(text)).await?;
        found.extend(user.map(|user| (user.uid, user.name, user.create_ms)));
    }
    let mut looked_at = 0;
    let mut is_over = false;
    while !is_over && looked_at < LOOKED_AT_MAX && found.len() < FOUND_MAX {
        let (wanted, from) = (text.to_owned(), next.clone());
        let room = FOUND_MAX - found.len();
        let page =
            core.query(async move |sources| page(sources, &wanted, from, room).await).await?;
        looked_at += page.looked_at;
        is_over = page.is_over;
        next = page.last.or(next);
        found.extend(page.found.into_iter().filter(|(uid, ..)| uid.as_str() != text));
    }
    let uids: Vec<UserId> = found.iter().map(|(uid, ..)| uid.clone()).collect();
    let here = gather_presence(core, &uids).await?;
    let users: Vec<Value> = found
        .iter()
        .zip(here)
        .map(|((uid, name, create_ms), platforms)| {
            json!({ "uid": uid.as_str(), "name": name, "created": create_ms, "platforms": platforms })
        })
        .collect();
    let next = next.filter(|_| !is_over);
    Ok(json!({ "users": users, "next": next.as_ref().map(UserId::as_str) }))
}

struct Page {
    found: Vec<(UserId, String, i64)>,
    last: Option<UserId>,
    looked_at: usize,
    is_over: bool,
}

async fn page(
    sources: &Sources,
    text: &str,
    after: Option<UserId>,
    room: usize,
) -> Result<Page, StoreError> {
    let uids = sources.directory.uids(after.as_ref(), LOOKED_AT_ONCE).await?;
    let mut page =
        Page { found: Vec::new(), last: None, looked_at: 0, is_over: uids.len() < LOOKED_AT_ONCE };
    for user in sources.directory.users(&uids).await?.into_iter().zip(&uids) {
        if page.found.len() >= room {
            page.is_over = false;
            break;
        }
        let (user, uid) = user;
        page.last = Some(uid.clone());
        page.looked_at += 1;
        let is = |user: &openim_storage::port::User| {
            user.uid.as_str().starts_with(text) || user.name.starts_with(text)
        };
        page.found.extend(user.filter(is).map(|user| (user.uid, user.name, user.create_ms)));
    }
    Ok(page)
}

/// All of one user; 404 for a uid that nobody has and nobody had.
pub(super) async fn one(asking: &Asking, asked: &Query) -> Result<Value, Refusal> {
    let uid = UserId::new(needed(asked, "uid")?);
    let home = uid.as_str().to_owned();
    asking
        .at_home(&home, async move |core| one_at_home(&core, &uid).await)
        .await?
        .map_err(Into::into)
}

async fn one_at_home(core: &Rc<Core>, uid: &UserId) -> Result<Value, Refused> {
    core.ensure_loaded(uid).await.map_err(|_| Refused::Unavailable)?;
    let user = profile_of(core, uid).await?;
    let (bounds, access) = {
        let mut shard = core.shard.borrow_mut();
        (shard.bounds(uid.as_str()), shard.front().access(uid.as_str()).cloned())
    };
    if user.is_none() && bounds.is_none_or(|bounds| bounds.newest.0 == 0) && access.is_none() {
        return Err(Refused::UnknownUser);
    }
    let of = uid.clone();
    let (friends, blocked, groups) =
        core.query(async move |sources| known(sources, &of).await).await?;
    let ban = access.as_ref().and_then(|access| access.banned(core.now().trusted_s()));
    let profile = user.map(|user| {
        json!({
            "name": user.name, "icon": user.icon, "gender": user.gender, "mobile": user.mobile,
            "birth": user.birth, "email": user.email, "ex": user.ex, "created": user.create_ms,
        })
    });
    Ok(json!({
        "uid": uid.as_str(),
        "profile": profile,
        "isManager": core.settings.is_manager(uid.as_str()),
        "erased": access.as_ref().is_some_and(|access| access.erased),
        "ban": ban.map(|ban| json!({ "until": (ban.until_s != i64::MAX).then_some(ban.until_s), "reason": ban.reason })),
        "inbox": bounds.map(|bounds| json!({ "min": bounds.min.0, "newest": bounds.newest.0 })),
        "links": links(core, uid.as_str()),
        "friends": friends,
        "blocked": blocked,
        "groups": groups,
    }))
}

/// The links of a user, as they are now.
fn links(core: &Core, uid: &str) -> Vec<Value> {
    let (shard, now) = (core.shard.borrow(), core.now());
    let mut io = core.io.borrow_mut();
    let links = shard.front().links_of(uid);
    links
        .filter_map(|(id, platform)| {
            let token =
                shard.front().credentials(id).map(|token| (token.issued_at, token.expires_at));
            let link = io.link(id)?;
            let address = link.stream.peer_addr().ok().map(|at| at.ip().to_canonical().to_string());
            Some(json!({
                "platform": platform,
                "since": now.unix_ms() - i64::try_from(now.mono_ms.saturating_sub(link.since.mono_ms())).unwrap_or(0),
                "address": address,
                "reads": if link.unit == TimeUnit::Seconds { "seconds" } else { "nanoseconds" },
                "waiting": link.held(),
                "token": token.map(|(issued_at, _)| issued_at),
            }))
        })
        .collect()
}

/// The first friends, blocked users and groups, each with whether there are more.
async fn known(sources: &Sources, uid: &UserId) -> Result<(Value, Value, Value), StoreError> {
    let friends = sources.relations.friends(uid, None, PAGE + 1).await?;
    let blocked = sources.relations.blacklist(uid, None, PAGE + 1).await?;
    let joined = sources.groups.joined(uid, None, PAGE + 1).await?;
    let ids: Vec<GroupId> = joined.iter().map(|(id, _)| id.clone()).collect();
    let groups = sources.groups.groups(&ids).await?;
    let groups = joined.iter().zip(groups).map(|((id, role), group)| {
        json!({ "group": id.as_str(), "role": role.number(), "name": group.map(|group| group.name) })
    });
    let friends = friends
        .iter()
        .map(|friend| json!({ "uid": friend.uid.as_str(), "comment": friend.comment, "since": friend.create_ms }));
    let blocked = blocked.iter().map(|uid| json!({ "uid": uid.as_str() }));
    Ok((some(friends), some(blocked), some(groups)))
}

/// A page of them, and whether there are more.
pub(super) fn some(mut of: impl Iterator<Item = Value>) -> Value {
    let first: Vec<Value> = of.by_ref().take(PAGE).collect();
    json!({ "first": first, "more": of.next().is_some() })
}
