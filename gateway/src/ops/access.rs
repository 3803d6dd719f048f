//! Decisions about a user's tokens, at the home of the user: ended, banned, deleted, registered again.
//!
//! A decision is durable first and then noted in memory, where every token is held against it; links whose
//! tokens it refuses are told and closed before it is answered.

use std::rc::Rc;

use openim_protocol::request::valid_uid;
use openim_record::{Access, UserId};
use openim_storage::port::{Decision, DeviceChange};

use crate::bus::Refused;
use crate::driver::{Core, moment};

/// Makes a decision; links on `platform` (0: none) are closed whatever their token.
pub(super) async fn decide(
    core: &Rc<Core>,
    decision: Decision,
    platform: u8,
) -> Result<(), Refused> {
    make(core, decision, platform).await.map(|_| ())
}

async fn make(core: &Rc<Core>, decision: Decision, platform: u8) -> Result<Access, Refused> {
    let uid = decision.user();
    core.ensure_loaded(uid).await.map_err(|_| Refused::Unavailable)?;
    let newest = core.shard.borrow().front().newest_issued(uid.as_str());
    record(core, decision, newest, platform).await
}

/// Makes a decision durable, about tokens of which the `newest` was issued then; links here whose tokens it refuses, and
/// those on `platform` (0: none), are told and closed.
pub(super) async fn record(
    core: &Rc<Core>,
    mut decision: Decision,
    newest: Option<i64>,
    platform: u8,
) -> Result<Access, Refused> {
    if let Decision::End { at_s, .. } | Decision::Ban { at_s, .. } | Decision::Erase { at_s, .. } =
        &mut decision
    {
        // The clock may have fallen since the newest token was issued.
        *at_s = newest.map_or(*at_s, |newest| newest.max(*at_s));
    }
    let uid = decision.user().clone();
    let forgotten = devices_of(&decision).filter(|_| core.settings.keeps_devices);
    #[cfg(feature = "cluster")]
    let access = core.change_tokens(&uid, decision, |_| Some(0)).await?;
    #[cfg(not(feature = "cluster"))]
    let access = core.change(decision).await?;
    let now = core.now();
    core.with(|shard, io| shard.decided(uid.as_str(), &access, platform, now, io));
    core.end_turn(now);
    if let Some(change) = forgotten {
        core.change(change).await?;
    }
    Ok(*access)
}

/// The user is being deleted: no token issued so far opens anything any more.
pub(super) async fn erase(core: &Rc<Core>, user: &UserId) -> Result<(), Refused> {
    match erasure(core, user) {
        Some(decision) => make(core, decision, 0).await.map(|_| ()),
        None => Ok(()),
    }
}

/// That a user is deleted, as a decision about their tokens; `None` for an id that can be nobody's.
pub(super) fn erasure(core: &Core, user: &UserId) -> Option<Decision> {
    let at_s = moment(core.now()).issued_at();
    valid_uid(user.as_str()).then(|| Decision::Erase { user: user.clone(), at_s })
}

/// Somebody is about to register: under the uid of a deleted user they begin with an empty inbox.
pub(super) async fn renew(core: &Rc<Core>, uid: &UserId) -> Result<(), Refused> {
    core.ensure_loaded(uid).await.map_err(|_| Refused::Unavailable)?;
    if !core.shard.borrow().front().access(uid.as_str()).is_some_and(|access| access.erased) {
        return Ok(());
    }
    core.caught_up().await?;
    let min = {
        let mut shard = core.shard.borrow_mut();
        if !shard.front().access(uid.as_str()).is_some_and(|access| access.erased) {
            return Ok(());
        }
        let bounds = shard.bounds(uid.as_str()).ok_or(Refused::Unavailable)?;
        bounds.newest.next()
    };
    make(core, Decision::Renew { user: uid.clone(), min }, 0).await?;
    // It may have left memory meanwhile, and come back as it was read before.
    core.ensure_loaded(uid).await.map_err(|_| Refused::Unavailable)?;
    core.shard.borrow_mut().raise_min(uid.as_str(), min);
    Ok(())
}

/// Whose devices are told no more by a decision.
fn devices_of(decision: &Decision) -> Option<DeviceChange> {
    let user = decision.user().clone();
    match decision {
        Decision::End { platform, .. } => Some(DeviceChange::ForgetAll(user, *platform)),
        Decision::Ban { .. } | Decision::Erase { .. } => Some(DeviceChange::ForgetAll(user, 0)),
        _ => None,
    }
}
