//! The operations, one a file, shared by the websocket and by REST.
//!
//! [`request()`] takes a websocket message through decode, authenticate, admit; [`run`] carries out a
//! call at the home of its user.

mod access;
mod accounts;
pub(crate) mod acts;
pub(crate) mod credentials;
mod damaged;
#[cfg(any(feature = "cluster", feature = "testing"))]
pub(crate) mod from_stores;
mod group;
pub(crate) mod newest_seq;
pub(crate) mod options;
mod over_mesh;
pub(crate) mod profile;
pub(crate) mod pull;
pub(crate) mod removal;
mod request;
pub(crate) mod send;
#[cfg(feature = "cluster")]
mod stored;
pub(crate) mod tip;
pub(crate) mod why;

use std::future::ready;
use std::rc::Rc;

pub(crate) use over_mesh::OverMesh;
pub(crate) use request::request;

use crate::bus::{Answer, Authentic, Call, Caller, Refused};
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
    /// Poll the link's work; the next one after it.
    Working,
    /// The link is over.
    Over,
}

/// Each kind of call has its operation, and its own kind of answer.
macro_rules! answers {
    ($call:expr; $( $kind:ident($($ask:ident),+) => $operation:expr, )*) => {
        match $call {
            $( Call::$kind($($ask),+) => Answer::$kind($operation.await), )*
        }
    };
}

#[cfg(any(feature = "cluster", feature = "testing"))]
use answers;

/// Carries out a call; this shard is home to its user.
async fn run(core: &Rc<Core>, call: Call) -> Answer {
    answers!(call;
        Bounds(ask) => newest_seq::newest(core, &ask.caller),
        LookUp(ask) => pull::snapshot(core, &ask),
        Authenticate(ask) => authentic(core, &ask.caller),
        SendToUser(ask) => send::call(core, Some(&ask.caller), ask.draft),
        Tell(ask) => send::call(core, None, ask.draft),
        SendToGroup(ask) => group::send(core, *ask.send),
        Register(ask) => accounts::register(core, ask.user),
        Issue(ask) => accounts::issue(core, ask),
        Profiles(ask) => profile::profiles(core, &ask.uids),
        Pace(ask) => ready(Ok(core.take_send(ask.uid.as_str(), ask.to_stranger))),
        UpdateProfile(ask) => profile::update(core, ask.change, ask.paced),
        DeleteUser(ask) => profile::delete(core, ask.uid),
        Decide(ask) => access::decide(core, *ask.decision, ask.platform),
        SetOptions(ask) => options::run(core, ask.changes),
        Presence(ask) => ready(Ok(profile::presence(core, &ask.uids))),
        Seek(ask) => why::seek(core, ask),
        Trace(ask) => why::trace(core, ask),
        Group(group, call) => group::run(core, group, call),
    )
}

/// Whether the caller's token is good, and a time that their next send is later than.
async fn authentic(core: &Core, caller: &Caller) -> Result<Authentic, Refused> {
    authenticate(core, caller).await?;
    let after_ns = core.shard.borrow_mut().stamp(core.now());
    let unit = core.known_unit(caller.uid.as_str(), caller.credentials.platform);
    Ok(Authentic { after_ns, unit })
}

/// Brings the caller into memory, holds its token against the newest ones, and learns what the call says.
pub(crate) async fn authenticate(core: &Core, caller: &Caller) -> Result<(), Refused> {
    core.ensure_loaded(&caller.uid).await.map_err(|_| Refused::Unavailable)?;
    let now_s = core.now().trusted_s();
    let admitted =
        core.shard.borrow().front().admits(caller.uid.as_str(), &caller.credentials, now_s);
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
