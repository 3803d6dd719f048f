//! The operations, one a file, shared by the websocket and by REST.
//!
//! [`request()`] takes a websocket message through decode, authenticate, admit; [`run`] carries out a
//! call at the home of its user.

mod access;
pub(crate) mod accounts;
mod damaged;
mod group;
pub(crate) mod newest_seq;
pub(crate) mod profile;
pub(crate) mod pull;
pub(crate) mod removal;
mod request;
pub(crate) mod send;
pub(crate) mod tip;

use std::rc::Rc;

pub(crate) use request::request;

use crate::bus::{Answer, Call, Caller, Refused};
use crate::driver::Core;

/// What a link does after a request was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next one.
    Done,
    /// Offer the same again when resumed.
    Hold,
    /// Offer the same again after this many milliseconds: the link sends faster than it may.
    Pause { ms: u32 },
    /// Offer the same again after this many milliseconds: others are served first.
    Wait { ms: u32 },
    /// Read on after this many milliseconds; nothing is to be offered again.
    Rest { ms: u32 },
    /// Poll the link's pull; the next one after it.
    Pulling,
    /// The link is over.
    Over,
}

/// Carries out a call; this shard is home to its user.
pub(crate) async fn run(core: &Rc<Core>, call: Call) -> Answer {
    let outcome = match call {
        Call::Newest(caller) => newest_seq::newest(core, &caller).await,
        Call::Snapshot { caller, from, to } => pull::snapshot(core, &caller, from, to).await,
        Call::Authenticate(caller) => authentic(core, &caller).await,
        Call::Send { caller, draft } => send::call(core, Some(&caller), &draft).await,
        Call::Tell(draft) => send::call(core, None, &draft).await,
        Call::Register(user) => accounts::register(core, *user).await,
        Call::Issue { uid, platform, newest } => accounts::issue(core, uid, platform, newest).await,
        Call::Profiles(uids) => profile::profiles(core, &uids).await,
        Call::Pace { uid, to_stranger } => {
            Ok(Answer::Paced(core.take_send(uid.as_str(), to_stranger)))
        }
        Call::UpdateProfile { change, paced } => profile::update(core, change, paced).await,
        Call::DeleteUser(uid) => profile::delete(core, uid).await,
        Call::Decide { decision, platform } => access::decide(core, *decision, platform).await,
        Call::Presence(uids) => Ok(profile::presence(core, &uids)),
        Call::Group(group, call) => group::run(core, group, call).await,
    };
    outcome.unwrap_or_else(Answer::Refused)
}

/// Whether the caller's token is good, and a time that their next send is later than.
async fn authentic(core: &Core, caller: &Caller) -> Result<Answer, Refused> {
    authenticate(core, caller).await?;
    let now_ns = core.now().unix_ns;
    let after_ns = core.shard.borrow_mut().inboxes.stamp(now_ns);
    let unit = core.known_unit(caller.uid.as_str(), caller.credentials.platform);
    Ok(Answer::Authentic { after_ns, unit })
}

/// Brings the caller into memory, holds its token against the newest ones, and learns what the call says.
pub(crate) async fn authenticate(core: &Core, caller: &Caller) -> Result<(), Refused> {
    core.ensure_loaded(&caller.uid).await.map_err(|_| Refused::Unavailable)?;
    let now_s = core.now().trusted_s();
    let admitted =
        core.shard.borrow().links.admits(caller.uid.as_str(), &caller.credentials, now_s);
    match admitted {
        Some(true) => {}
        Some(false) => return Err(Refused::Token),
        None => return Err(Refused::Unavailable),
    }
    if let Some(sign) = caller.sign {
        core.learn(&caller.uid, sign);
    }
    Ok(())
}
