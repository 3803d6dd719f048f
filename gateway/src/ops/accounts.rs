//! Registration and tokens, at the home of the user (spec, REST 1.6 and 2).

use std::rc::Rc;

use openim_auth::{Class, Newest, Platform};
use openim_record::UserId;
use openim_storage::port::{Ban, IssuedToken, NewestToken, Registered, Terminal, User};
use openim_workers::Done;
use openim_workers::writes::Write;

use super::access;
use crate::bus::{Answer, Refused};
use crate::driver::Core;

/// How far the clock may have fallen since tokens were ended for a new one to wait for it.
const CLOCK_FALL_SECONDS_MAX: i64 = 10;

/// Makes a user, unless the uid is banned; the first registration of a uid wins.
pub(crate) async fn register(core: &Rc<Core>, user: User) -> Result<Answer, Refused> {
    core.ensure_loaded(&user.uid).await.map_err(|_| Refused::Unavailable)?;
    if let Some(ban) = banned(core, &user.uid) {
        return Ok(Answer::Banned(ban));
    }
    access::renew(core, &user.uid).await?;
    let user = Box::new(user);
    match core.write(|ticket| Write::Register(ticket, user)).await {
        Ok(Done::Registered(_, Ok(Registered::Created))) => Ok(Answer::Registered),
        Ok(Done::Registered(_, Ok(Registered::Exists))) => Err(Refused::Exists),
        _ => Err(Refused::Unavailable),
    }
}

fn banned(core: &Core, uid: &UserId) -> Option<Box<Ban>> {
    let shard = core.shard.borrow();
    let ban = shard.links.access(uid.as_str())?.banned(core.now().trusted_s())?;
    Some(Box::new(ban.clone()))
}

/// Records a token. Once it is durable, links whose tokens it supersedes are told and closed.
pub(crate) async fn issue(
    core: &Rc<Core>,
    uid: UserId,
    platform: Platform,
    mut newest: Newest,
) -> Result<Answer, Refused> {
    core.ensure_loaded(&uid).await.map_err(|_| Refused::Unavailable)?;
    if let Some(ban) = banned(core, &uid) {
        return Ok(Answer::Banned(ban));
    }
    if let Some(access) = core.shard.borrow().links.access(uid.as_str())
        && let Some(ended_s) = access.ended_at(platform.id())
        && newest.issued_at <= ended_s
    {
        if ended_s <= newest.issued_at.saturating_add(CLOCK_FALL_SECONDS_MAX) {
            return Ok(Answer::IssueAfter);
        }
        // The clock was ahead then. The user does not wait until it is there again: recorded as later
        // than the end, this token is good for as long as it is the newest of its class.
        newest.issued_at = ended_s.saturating_add(1);
    }
    let class = platform.class();
    newest.issued_at = core.shard.borrow().links.issue_time(uid.as_str(), class, newest.issued_at);
    let token = IssuedToken {
        user: uid.clone(),
        terminal: match class {
            Class::Mobile => Terminal::Mobile,
            Class::Pc => Terminal::Pc,
            Class::Other => Terminal::Other,
        },
        newest: NewestToken {
            id: newest.id.0,
            issued_at: newest.issued_at,
            expires_at: newest.expires_at.unwrap_or(i64::MAX),
        },
    };
    match core.write(|ticket| Write::Issue(ticket, token)).await {
        Ok(Done::Issued(_, Ok(true))) => {
            let now = core.now();
            core.unlearn(uid.as_str(), platform.id());
            core.with(|shard, io| shard.issued(uid.as_str(), platform, newest, now, io));
            core.end_turn(now);
            Ok(Answer::Issued)
        }
        Ok(Done::Issued(_, Ok(false))) => Err(Refused::UnknownUser),
        _ => Err(Refused::Unavailable),
    }
}
