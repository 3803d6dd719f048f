//! Profiles and presence: at the homes of their users, and gathered from there (spec, REST 1.7, 7.8).

use std::collections::BTreeMap;
use std::rc::Rc;

use openim_record::UserId;
use openim_storage::port::{User, UserChange};

use super::access;
use crate::bus::{Ask, Presence, Profiles, Refused};
use crate::driver::{Core, Delete};

/// Profiles asked for at once where there may be many.
const PROFILES_PAGE: usize = 64;

/// At home: the profiles of users; same order.
pub(super) async fn profiles(
    core: &Rc<Core>,
    uids: &[UserId],
) -> Result<Vec<Option<Box<User>>>, Refused> {
    let found = core.profiles(uids).await?;
    let owned = |user: Option<Rc<User>>| user.map(|user| Box::new((*user).clone()));
    Ok(found.into_iter().map(owned).collect())
}

/// At home: changes a profile, and what is kept of it in memory.
pub(super) async fn update(
    core: &Rc<Core>,
    change: Box<UserChange>,
    paced: bool,
) -> Result<Option<Box<User>>, Refused> {
    let uid = change.uid.clone();
    if paced && !core.take_profile_change(uid.as_str()) {
        return Err(Refused::TooOften);
    }
    let user = core.change(change).await?.map(Rc::new);
    core.profile_changed(&uid, user.as_ref());
    Ok(user.map(|user| Box::new((*user).clone())))
}

/// At home: ends a user's tokens and links, and deletes the row.
pub(super) async fn delete(core: &Rc<Core>, uid: UserId) -> Result<(), Refused> {
    access::erase(core, &uid).await?;
    delete_row(core, &uid).await
}

/// Deletes a user's row, and what is kept of it in memory here.
pub(super) async fn delete_row(core: &Core, uid: &UserId) -> Result<(), Refused> {
    core.change(Delete(uid.clone())).await?;
    core.profile_changed(uid, None);
    Ok(())
}

/// At home: on which platforms users have links.
pub(super) fn presence(core: &Core, uids: &[UserId]) -> Vec<Vec<u8>> {
    let shard = core.shard.borrow();
    uids.iter().map(|uid| shard.front().platforms(uid.as_str())).collect()
}

/// The profiles of a page of users, wherever they are at home; same order.
pub(crate) async fn gather_profiles(
    core: &Rc<Core>,
    uids: &[UserId],
) -> Result<Vec<Option<Box<User>>>, Refused> {
    gather(core, uids, |uids| Profiles { uids }).await
}

/// What `of` makes of each user's profile; same order. A page at a time: an answer between shards holds no
/// more, and neither does the caller, however many are asked for.
pub(crate) async fn gather_of_profiles<T>(
    core: &Rc<Core>,
    uids: &[UserId],
    of: impl Fn(Box<User>) -> T,
) -> Result<Vec<Option<T>>, Refused> {
    let mut found = Vec::with_capacity(uids.len());
    for page in uids.chunks(PROFILES_PAGE) {
        let users = gather_profiles(core, page).await?;
        found.extend(users.into_iter().map(|user| user.map(&of)));
    }
    Ok(found)
}

/// The profile of one user.
pub(crate) async fn profile_of(
    core: &Rc<Core>,
    uid: &UserId,
) -> Result<Option<Box<User>>, Refused> {
    Ok(gather_profiles(core, std::slice::from_ref(uid)).await?.pop().flatten())
}

/// Of each of `uids`, whether its whole profile is `reader`'s to see: it is their own, or that of somebody
/// who has them as a friend. Nobody else's but a manager's, unless `policy.publicProfile` is on.
pub(crate) async fn seen_whole(
    core: &Core,
    reader: Option<&UserId>,
    uids: &[UserId],
) -> Result<Vec<bool>, Refused> {
    let manages = |reader: &UserId| core.settings.is_manager(reader.as_str());
    if core.live().rules.public_profile || reader.is_some_and(manages) {
        return Ok(vec![true; uids.len()]);
    }
    let Some(reader) = reader.cloned() else { return Ok(vec![false; uids.len()]) };
    if let [uid] = uids
        && *uid == reader
    {
        return Ok(vec![true]);
    }
    let uids = uids.to_vec();
    core.query(async move |sources| {
        let mut whole = Vec::with_capacity(uids.len());
        for uid in &uids {
            if *uid == reader {
                whole.push(true);
                continue;
            }
            // The list of who is looked at decides: a friend whom they removed is a stranger.
            let held = sources.relations.relations(uid, std::slice::from_ref(&reader)).await?;
            whole.push(held.first().is_some_and(|held| held.friend.is_some()));
        }
        Ok(whole)
    })
    .await
}

/// The platforms on which users are connected, wherever they are at home; same order.
pub(crate) async fn gather_presence(
    core: &Rc<Core>,
    uids: &[UserId],
) -> Result<Vec<Vec<u8>>, Refused> {
    gather(core, uids, |uids| Presence { uids }).await
}

/// Asks each home about its own of `uids`, all homes at once, and puts the answers back in order.
async fn gather<Q: Ask<Answer = Vec<T>> + 'static, T: Default + Clone + 'static>(
    core: &Rc<Core>,
    uids: &[UserId],
    ask: impl Fn(Vec<UserId>) -> Q,
) -> Result<Vec<T>, Refused> {
    let mut by_part: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (at, uid) in uids.iter().enumerate() {
        by_part.entry(core.part(uid.as_str())).or_default().push(at);
    }
    let asked: Vec<_> = by_part
        .into_values()
        .map(|places| {
            let question = ask(places.iter().map(|&at| uids[at].clone()).collect());
            let core = Rc::clone(core);
            (places, tokio::task::spawn_local(async move { core.at_home(question).await }))
        })
        .collect();
    let mut found = vec![T::default(); uids.len()];
    for (places, answer) in asked {
        let answered = answer.await.map_err(|_| Refused::Unavailable)??;
        for (at, value) in places.into_iter().zip(answered) {
            found[at] = value;
        }
    }
    Ok(found)
}
