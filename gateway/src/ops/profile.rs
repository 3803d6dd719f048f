//! Profiles and presence: at the homes of their users, and gathered from there (spec, REST 1.7, 7.8).

use std::rc::Rc;

use openim_record::UserId;
use openim_storage::port::{User, UserChange};
use openim_workers::Wrote;
use openim_workers::writes::Write;
use tokio::task::JoinHandle;

use super::access;
use crate::bus::{Answer, Call, Refused};
use crate::driver::Core;

/// Profiles asked for at once where there may be many.
const PROFILES_PAGE: usize = 64;

/// At home: the profiles of users; same order.
pub(super) async fn profiles(core: &Rc<Core>, uids: &[UserId]) -> Result<Answer, Refused> {
    let found = core.profiles(uids).await?;
    let owned = |user: Option<Rc<User>>| user.map(|user| Box::new((*user).clone()));
    Ok(Answer::Profiles(found.into_iter().map(owned).collect()))
}

/// At home: changes a profile, and what is kept of it in memory.
pub(super) async fn update(
    core: &Rc<Core>,
    change: Box<UserChange>,
    paced: bool,
) -> Result<Answer, Refused> {
    let uid = change.uid.clone();
    if paced && !core.take_profile_change(uid.as_str()) {
        return Err(Refused::TooOften);
    }
    let Wrote::User(user) = core.change(|ticket| Write::Update(ticket, change)).await? else {
        return Err(Refused::Unavailable);
    };
    let user = user.map(Rc::new);
    core.profile_changed(&uid, user.as_ref());
    Ok(Answer::Updated(user.map(|user| Box::new((*user).clone()))))
}

/// At home: ends a user's tokens and links, and deletes the row.
pub(super) async fn delete(core: &Rc<Core>, uid: UserId) -> Result<Answer, Refused> {
    access::erase(core, &uid).await?;
    let deleted = uid.clone();
    core.change(|ticket| Write::Delete(ticket, deleted)).await?;
    core.profile_changed(&uid, None);
    Ok(Answer::Deleted)
}

/// At home: on which platforms users have links.
pub(super) fn presence(core: &Core, uids: &[UserId]) -> Answer {
    let shard = core.shard.borrow();
    Answer::Presence(uids.iter().map(|uid| shard.links.platforms(uid.as_str())).collect())
}

/// The profiles of a page of users, wherever they are at home; same order.
pub(crate) async fn gather_profiles(
    core: &Rc<Core>,
    uids: &[UserId],
) -> Result<Vec<Option<Box<User>>>, Refused> {
    gather(core, uids, Call::Profiles, |answer| match answer {
        Answer::Profiles(found) => Some(found),
        _ => None,
    })
    .await
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
    core.query(move |sources| {
        let whole = |uid: &UserId| {
            if *uid == reader {
                return Ok(true);
            }
            // The list of who is looked at decides: a friend whom they removed is a stranger.
            let held = sources.relations.relations(uid, std::slice::from_ref(&reader))?;
            Ok(held.first().is_some_and(|held| held.friend.is_some()))
        };
        uids.iter().map(whole).collect()
    })
    .await
}

/// The platforms on which users are connected, wherever they are at home; same order.
pub(crate) async fn gather_presence(
    core: &Rc<Core>,
    uids: &[UserId],
) -> Result<Vec<Vec<u8>>, Refused> {
    gather(core, uids, Call::Presence, |answer| match answer {
        Answer::Presence(found) => Some(found),
        _ => None,
    })
    .await
}

/// Asks each home about its own of `uids`, all homes at once, and puts the answers back in order.
async fn gather<T: Default + Clone>(
    core: &Rc<Core>,
    uids: &[UserId],
    call: impl Fn(Vec<UserId>) -> Call,
    read: impl Fn(Answer) -> Option<Vec<T>>,
) -> Result<Vec<T>, Refused> {
    let mut by_home: Vec<Vec<usize>> = vec![Vec::new(); usize::from(core.shards)];
    for (at, uid) in uids.iter().enumerate() {
        by_home[usize::from(core.home(uid.as_str()))].push(at);
    }
    let asked: Vec<(Vec<usize>, JoinHandle<Answer>)> = (0..core.shards)
        .zip(by_home)
        .filter(|(_, places)| !places.is_empty())
        .map(|(home, places)| {
            let call = call(places.iter().map(|&at| uids[at].clone()).collect());
            let core = Rc::clone(core);
            (places, tokio::task::spawn_local(async move { core.call(home, call).await }))
        })
        .collect();
    let mut found = vec![T::default(); uids.len()];
    for (places, answer) in asked {
        let answer = answer.await.map_err(|_| Refused::Unavailable)?;
        let answered = read(answer).ok_or(Refused::Unavailable)?;
        for (at, value) in places.into_iter().zip(answered) {
            found[at] = value;
        }
    }
    Ok(found)
}
