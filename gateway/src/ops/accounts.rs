//! Registration and tokens, at the home of the user (spec, REST 1.6 and 2).

use std::rc::Rc;

use openim_auth::{LoginPolicy, Newest};
use openim_record::UserId;
use openim_storage::port::{Access, IssuedToken, Registered, User};

use super::access;
use crate::bus::{Issue, Refused};
use crate::driver::Core;

/// How far the clock may have fallen since tokens were ended for a new one to wait for it.
const CLOCK_FALL_SECONDS_MAX: i64 = 10;

/// Makes a user, unless the uid is banned; the first registration of a uid wins.
pub(super) async fn register(core: &Rc<Core>, user: Box<User>) -> Result<(), Refused> {
    core.ensure_loaded(&user.uid).await.map_err(|_| Refused::Unavailable)?;
    not_banned(core, core.shard.borrow().front().access(user.uid.as_str()))?;
    access::renew(core, &user.uid).await?;
    make(core, user).await
}

/// Makes a user; the first registration of a uid wins.
pub(super) async fn make(core: &Core, user: Box<User>) -> Result<(), Refused> {
    match core.change(user).await? {
        Registered::Created => Ok(()),
        Registered::Exists => Err(Refused::Exists),
    }
}

/// Whether somebody about whom this was decided may have a token.
pub(super) fn not_banned(core: &Core, access: Option<&Access>) -> Result<(), Refused> {
    match access.and_then(|access| access.banned(core.now().trusted_s())) {
        Some(ban) => Err(Refused::Banned(Box::new(ban.clone()))),
        None => Ok(()),
    }
}

/// Records a token. Once it is durable, links whose tokens it supersedes are told and closed.
pub(super) async fn issue(core: &Rc<Core>, ask: Issue) -> Result<(), Refused> {
    core.ensure_loaded(&ask.uid).await.map_err(|_| Refused::Unavailable)?;
    let newest = behind_the_end(core, core.shard.borrow().front().access(ask.uid.as_str()), &ask)?;
    record(core, Issue { newest, ..ask }).await
}

/// The managers' terminals never end each other's tokens.
pub(super) fn policy(core: &Core, uid: &UserId) -> LoginPolicy {
    match core.settings.is_manager(uid.as_str()) {
        true => LoginPolicy::AllTerminals,
        false => core.settings.policy,
    }
}

/// The token of somebody who may have one: later than the end of all that were ended.
pub(super) fn behind_the_end(
    core: &Core,
    access: Option<&Access>,
    ask: &Issue,
) -> Result<Newest, Refused> {
    not_banned(core, access)?;
    let mut newest = ask.newest;
    if let Some(ended_s) = access.and_then(|access| access.ended_at(ask.platform.id()))
        && newest.issued_at <= ended_s
    {
        if ended_s <= newest.issued_at.saturating_add(CLOCK_FALL_SECONDS_MAX) {
            return Err(Refused::TooSoon);
        }
        // The clock was ahead then. The user does not wait until it is there again: recorded as later
        // than the end, this token is good for as long as it is the newest of its class.
        newest.issued_at = ended_s.saturating_add(1);
    }
    Ok(newest)
}

/// Records a token, as the store decides then. Once it is durable, links here whose tokens it supersedes are told and
/// closed.
pub(super) async fn record(core: &Rc<Core>, ask: Issue) -> Result<(), Refused> {
    let Issue { uid, platform, newest } = ask;
    let scope = policy(core, &uid).scope();
    let token = IssuedToken { user: uid.clone(), class: platform.class(), newest, scope };
    #[cfg(feature = "cluster")]
    let recorded = core.change_tokens(&uid, token, |of| of.map(|_| platform.id())).await?;
    #[cfg(not(feature = "cluster"))]
    let recorded = core.change(token).await?;
    let newest = recorded.ok_or(Refused::UnknownUser)?;
    let now = core.now();
    core.unlearn(uid.as_str(), platform.id());
    core.with(|shard, io| shard.issued(uid.as_str(), platform, newest, now, io));
    core.end_turn(now);
    Ok(())
}
