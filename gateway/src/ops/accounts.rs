//! Registration and tokens, at the home of the user (spec, REST 1.6 and 2).

use std::rc::Rc;

use openim_record::UserId;
use openim_storage::port::{IssuedToken, Registered, User};

use super::access;
use crate::bus::{Issue, Refused};
use crate::driver::Core;

/// How far the clock may have fallen since tokens were ended for a new one to wait for it.
const CLOCK_FALL_SECONDS_MAX: i64 = 10;

/// Makes a user, unless the uid is banned; the first registration of a uid wins.
pub(super) async fn register(core: &Rc<Core>, user: Box<User>) -> Result<(), Refused> {
    core.ensure_loaded(&user.uid).await.map_err(|_| Refused::Unavailable)?;
    not_banned(core, &user.uid)?;
    access::renew(core, &user.uid).await?;
    match core.change(user).await? {
        Registered::Created => Ok(()),
        Registered::Exists => Err(Refused::Exists),
    }
}

fn not_banned(core: &Core, uid: &UserId) -> Result<(), Refused> {
    let shard = core.shard.borrow();
    let access = shard.front().access(uid.as_str());
    match access.and_then(|access| access.banned(core.now().trusted_s())) {
        Some(ban) => Err(Refused::Banned(Box::new(ban.clone()))),
        None => Ok(()),
    }
}

/// Records a token. Once it is durable, links whose tokens it supersedes are told and closed.
pub(super) async fn issue(core: &Rc<Core>, ask: Issue) -> Result<(), Refused> {
    let Issue { uid, platform, mut newest } = ask;
    core.ensure_loaded(&uid).await.map_err(|_| Refused::Unavailable)?;
    not_banned(core, &uid)?;
    if let Some(access) = core.shard.borrow().front().access(uid.as_str())
        && let Some(ended_s) = access.ended_at(platform.id())
        && newest.issued_at <= ended_s
    {
        if ended_s <= newest.issued_at.saturating_add(CLOCK_FALL_SECONDS_MAX) {
            return Err(Refused::TooSoon);
        }
        // The clock was ahead then. The user does not wait until it is there again: recorded as later
        // than the end, this token is good for as long as it is the newest of its class.
        newest.issued_at = ended_s.saturating_add(1);
    }
    let class = platform.class();
    newest.issued_at =
        core.shard.borrow().front().issue_time(uid.as_str(), class, newest.issued_at);
    let token = IssuedToken { user: uid.clone(), class, newest };
    if !core.change(token).await? {
        return Err(Refused::UnknownUser);
    }
    let now = core.now();
    core.unlearn(uid.as_str(), platform.id());
    core.with(|shard, io| shard.issued(uid.as_str(), platform, newest, now, io));
    core.end_turn(now);
    Ok(())
}
